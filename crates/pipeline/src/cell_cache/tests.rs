//! Tests of the cell cache: entries come back as written, every damage is noticed, and concurrent writers leave a whole entry.

use std::fs;

use super::*;
use crate::pipeline::Pipeline;
use crate::plan::Plan;

fn key(data: &str) -> EntryKey {
    let text = "name = \"n\"\n[data]\npath = \"a.csv\"\ntext = \"t\"\nlabel = \"l\"\n[embedding.h.hashing]\n";
    let plan = Plan::of(&Pipeline::parse("p", text, Path::new(""), &[]).expect("sound"));
    EntryKey::new(&plan.cells[0], Digest::of(data.as_bytes()), Digest::of(b"embedding"), 1)
}

fn files(content: &str) -> Files {
    [("attempt/result.json", content), ("log/train/events", "")]
        .map(|(name, content)| (name.to_owned(), content.as_bytes().to_vec()))
        .into()
}

/// Every part of the key decides the place of an entry.
#[test]
fn an_entry_comes_back_under_its_own_key_alone() {
    let at = tempfile::tempdir().expect("a folder");
    let cache = CellCache::new(at.path().join("deep"));
    assert!(cache.get(&key("a")) == Ok(None) && !cache.contains(&key("a")));
    cache.put(&key("a"), files("one")).expect("written");
    assert!(cache.get(&key("a")) == Ok(Some(files("one"))) && cache.contains(&key("a")));
    let others = [
        key("b"),
        EntryKey { identity: "0".repeat(32), ..key("a") },
        EntryKey { embedding: Digest::of(b"other"), ..key("a") },
        EntryKey { computation: 2, ..key("a") },
    ];
    for other in &others {
        assert_eq!(cache.get(other), Ok(None), "{other:?}");
    }
    // An entry in another's place is whole, and is not believed.
    cache.put(&others[0], files("other")).expect("written");
    fs::copy(cache.path(&others[0]), cache.path(&key("a"))).expect("copied");
    let fault = cache.get(&key("a")).expect_err("another's");
    assert!(fault.contains("it is the entry of another cell or version"), "{fault}");
    cache.put(&key("a"), files("two")).expect("replaced");
    assert_eq!(cache.get(&key("a")), Ok(Some(files("two"))));
}

#[test]
fn every_damage_is_noticed_and_named() {
    let at = tempfile::tempdir().expect("a folder");
    let cache = CellCache::new(at.path());
    cache.put(&key("a"), files("one")).expect("written");
    let path = cache.path(&key("a"));
    let bytes = fs::read(&path).expect("readable");
    for place in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[place] ^= 1;
        for damaged in [&damaged[..], &bytes[..place]] {
            fs::write(&path, damaged).expect("written");
            let fault = cache.get(&key("a")).expect_err("damaged");
            assert!(fault.contains(&path.display().to_string()), "{place}: {fault}");
        }
    }
    fs::remove_file(&path).and_then(|()| fs::create_dir(&path)).expect("a folder in its place");
    assert!(cache.get(&key("a")).expect_err("a folder").contains("a folder, not a regular file"));
}

/// Readers find no entry or a whole one, whoever writes meanwhile, and nothing is left beside it.
#[test]
fn concurrent_writers_leave_one_whole_entry() {
    let at = tempfile::tempdir().expect("a folder");
    let cache = CellCache::new(at.path());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for _ in 0..25 {
                    cache.put(&key("a"), files(&writer.to_string())).expect("written");
                    let found = cache.get(&key("a")).expect("whole").expect("there");
                    assert_eq!(found.len(), 2);
                }
            });
        }
    });
    let folder = file::folder_of(&cache.path(&key("a"))).to_owned();
    assert_eq!(fs::read_dir(folder).expect("readable").count(), 1);
}

#[test]
fn garbage_is_removed_least_recently_used_first_and_nothing_else_is() {
    use emberline_cache::housekeeping::RetentionLimits;
    use std::time::Duration;
    let at = tempfile::tempdir().expect("a folder");
    let cache = CellCache::new(at.path());
    let keys = ["a", "b", "c"].map(key);
    for (at, key) in keys.iter().enumerate() {
        cache.put(key, files("entry")).expect("written");
        let days = Duration::from_secs(86_400 * (10 - at as u64));
        let file = File::options().append(true).open(cache.path(key)).expect("opened");
        file.set_modified(SystemTime::now() - days).expect("set");
    }
    let folder = file::folder_of(&cache.path(&keys[0])).to_owned();
    let [old, young] = [".emberline-old.tmp", ".emberline-young.tmp"].map(|name| folder.join(name));
    for path in [&old, &young, &folder.join("README"), &at.path().join("notes.safetensors")] {
        fs::write(path, b"half").expect("written");
    }
    let two_days = Duration::from_secs(2 * 86_400);
    File::options()
        .append(true)
        .open(&old)
        .and_then(|file| file.set_modified(SystemTime::now() - two_days))
        .expect("set");
    // Reading an entry uses it.
    cache.get(&keys[0]).expect("whole");
    let size = fs::metadata(cache.path(&keys[0])).expect("there").len();
    let limits = RetentionLimits { size: Some(2 * size), unused: None };
    let counted = cache.collect_garbage(limits, true).expect("counted");
    assert!(counted.files == 2 && old.exists() && keys.iter().all(|key| cache.contains(key)));
    assert_eq!(cache.collect_garbage(limits, false).expect("removed"), counted);
    assert_eq!(keys.each_ref().map(|key| cache.contains(key)), [true, false, true]);
    assert!(!old.exists() && young.exists() && folder.join("README").exists());
    let all = RetentionLimits { size: Some(0), unused: None };
    assert_eq!(cache.collect_garbage(all, false).expect("removed").files, 2);
    assert!(at.path().join("notes.safetensors").exists());
}
