//! Tests that vectors survive their files, and that damaged or misplaced files are never read.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use emberline_base::Digest;

use super::*;
use crate::housekeeping::RetentionLimits;

const DIM: usize = 3;

fn producer() -> Producer {
    let (device, arithmetic) = ("cpu".to_owned(), "x86_64 avx2".to_owned());
    Producer { source: Digest::of(b"model"), computation: 1, device, arithmetic }
}

/// Producers that differ from [`producer`] in one field each.
fn others() -> [Producer; 4] {
    [
        Producer { source: Digest::of(b"other"), ..producer() },
        Producer { computation: 2, ..producer() },
        Producer { device: "cuda".to_owned(), ..producer() },
        Producer { arithmetic: "x86_64 avx512".to_owned(), ..producer() },
    ]
}

fn store(cache: &Cache) -> EmbeddingStore {
    store_of(cache, &producer())
}

fn store_of(cache: &Cache, producer: &Producer) -> EmbeddingStore {
    cache.store(producer, DIM, "a test's model").expect("a store")
}

fn vector(number: usize) -> [f32; DIM] {
    [number as f32, -0.5, f32::MIN_POSITIVE]
}

fn key(number: usize) -> Key {
    Key::of(format!("text {number}").as_bytes())
}

/// Stores the vectors of the texts with these numbers, flushing after each.
fn write(cache: &Cache, numbers: impl IntoIterator<Item = usize>) {
    write_of(cache, &producer(), numbers);
}

fn write_of(cache: &Cache, producer: &Producer, numbers: impl IntoIterator<Item = usize>) {
    let store = store_of(cache, producer);
    let mut writer = store.writer();
    for number in numbers {
        writer.add(key(number), &vector(number));
        writer.flush().expect("written");
    }
    writer.finish().expect("written");
}

fn held(cache: &Cache, numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let store = store(cache);
    let mut out = [f32::NAN; DIM];
    let there = |number: &usize| {
        let there = store.read(&key(*number), &mut out);
        assert!(!there || out == vector(*number), "{number}: {out:?}");
        assert_eq!(there, store.contains(&key(*number)));
        there
    };
    numbers.into_iter().filter(there).collect()
}

fn files(cache: &Cache) -> Vec<PathBuf> {
    entries(&cache.producer_folder(&producer())).expect("readable")
}

#[test]
fn vectors_come_back_from_one_file_per_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    assert!(held(&cache, 0..3).is_empty());
    write(&cache, 0..4);
    write(&cache, 4..5);
    assert_eq!(held(&cache, 0..9), [0, 1, 2, 3, 4]);
    assert_eq!(files(&cache).len(), 2);
    assert!(folder.path().join("CACHEDIR.TAG").exists());
}

#[test]
fn a_writer_says_when_it_should_be_flushed() {
    let folder = tempfile::tempdir().expect("a folder");
    let dim = 1 << 20;
    let store = Cache::at(folder.path()).store(&producer(), dim, "a test's model").expect("a store");
    let mut writer = store.writer();
    for number in 0..16 {
        assert!(!writer.is_full());
        writer.add(key(number), &vec![0.5; dim]);
    }
    assert!(writer.is_full());
    writer.flush().expect("written");
    assert!(!writer.is_full());
}

#[test]
fn what_was_flushed_survives_a_writer_that_never_finished() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    let open = store(&cache);
    let mut writer = open.writer();
    for number in 0..3 {
        writer.add(key(number), &vector(number));
        if number < 2 {
            writer.flush().expect("written");
        }
    }
    drop(writer);
    assert_eq!(held(&cache, 0..3), [0, 1]);
}

#[test]
fn producers_do_not_share_vectors() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    write(&cache, 0..2);
    for other in others() {
        assert!(!store_of(&cache, &other).contains(&key(0)), "{other:?}");
    }
}

#[test]
fn a_segment_in_another_producers_place_is_found_and_never_read() {
    for other in others() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(folder.path());
        write(&cache, 0..2);
        write_of(&cache, &other, 1..3);
        let [ours] = &files(&cache)[..] else { panic!("one file") };
        let [theirs] = &entries(&cache.producer_folder(&other)).expect("readable")[..] else { panic!("one file") };
        // Both files are whole, and named by their contents.
        let swapped = |from: &Path, to: &Path| to.with_file_name(from.file_name().expect("a name"));
        let (to_theirs, to_ours) = (swapped(ours, theirs), swapped(theirs, ours));
        fs::rename(ours, &to_theirs).and_then(|()| fs::rename(theirs, &to_ours)).expect("moved");
        let damaged: usize = cache.list().expect("readable").iter().map(|held| held.damaged.len()).sum();
        assert_eq!(damaged, 2, "{other:?}");
        for (producer, moved) in [(producer(), to_ours), (other, to_theirs)] {
            let store = store_of(&cache, &producer);
            assert!((0..3).all(|number| !store.contains(&key(number))) && !moved.exists(), "{producer:?}");
            let [removed] = store.warnings() else { panic!("one message") };
            assert!(removed.contains("damaged") && removed.contains("its vectors are from "), "{removed}");
        }
    }
}

#[test]
fn segments_of_other_formats_are_named_and_only_removed_when_asked() {
    for version in [1, 3] {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::at(folder.path());
        write(&cache, [0]);
        // In the folder of this version, and in that of the former one.
        let former = cache.embeddings().join(producer().source.as_str()).join("cpu");
        let content = other_format(version);
        let name = format!("{}.safetensors", blake3::hash(&content).to_hex());
        let left: Vec<PathBuf> = [former, cache.producer_folder(&producer())].map(|place| place.join(&name)).to_vec();
        for path in &left {
            make_folder(path.parent().expect("a folder")).expect("made");
            fs::write(path, &content).expect("written");
        }
        let held_now = cache.list().expect("readable");
        let older: Vec<_> = held_now.iter().filter(|held| held.is_other_format).collect();
        assert_eq!(older.iter().map(|held| (held.texts, held.about.as_str())).collect::<Vec<_>>(), [(1, "old"); 2]);
        assert!(held_now.iter().all(|held| held.damaged.is_empty()));
        assert_eq!(held(&cache, 0..2), [0], "the older vector of text 1 is not read");
        assert!(left.iter().all(|path| path.exists()));
        assert_eq!(cache.collect_garbage(RetentionLimits::default(), true).expect("counted").files, 2);
        assert_eq!(cache.collect_garbage(RetentionLimits::default(), false).expect("cleared").files, 2);
        assert!(left.iter().all(|path| !path.exists()));
        assert_eq!(held(&cache, 0..2), [0]);
    }
}

/// A segment of another version of the format, with one vector, for text 1.
fn other_format(version: u32) -> Vec<u8> {
    let json = serde_json::json!({
        "__metadata__": {"format": format!("emberline-embeddings/{version}"), "about": "old"},
        "keys": {"dtype": "U8", "shape": [1, 32], "data_offsets": [0, 32]},
        "vectors": {"dtype": "F32", "shape": [1, DIM], "data_offsets": [32, 32 + 4 * DIM]},
    });
    let json = json.to_string().into_bytes();
    [&(json.len() as u64).to_le_bytes()[..], &json, &key(1).0, &[0; 4 * DIM]].concat()
}

#[test]
#[cfg(unix)]
fn nothing_is_removed_through_a_link() {
    use std::os::unix::fs::symlink;
    let (folder, elsewhere) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let model = elsewhere.path().join("model.safetensors");
    fs::write(&model, b"a model").expect("written");
    let cache = Cache::at(folder.path());
    let place = cache.producer_folder(&producer());
    make_folder(place.parent().expect("a folder")).expect("made");
    symlink(elsewhere.path(), &place).expect("linked");
    let error = cache.store(&producer(), DIM, "").expect_err("a link").to_string();
    assert!(error.contains("symbolic link"), "{error}");
    assert!(cache.list().expect("readable").is_empty());
    assert_eq!(
        cache.collect_garbage(RetentionLimits { size: Some(0), unused: None }, false).expect("cleared").files,
        0
    );
    assert!(model.exists());
}

#[test]
#[cfg(unix)]
fn special_files_and_unreadable_files_are_skipped() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    write(&cache, 0..2);
    let place = cache.producer_folder(&producer());
    let pipe = place.join("pipe.safetensors");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("run").success());
    fs::create_dir(place.join("folder.safetensors")).expect("made");
    assert_eq!(held(&cache, 0..2), [0, 1]);
    assert!(cache.list().expect("readable").iter().all(|held| held.damaged.is_empty()));
    // A file that only its owner may read; root may read every file.
    let [path] = &segment::paths(&place).expect("readable")[..] else { panic!("one file") };
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).expect("set");
    let private = fs::read(path).is_err();
    assert_eq!(held(&cache, 0..2).is_empty(), private);
    assert!(path.exists());
}

#[test]
fn concurrent_writers_do_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    std::thread::scope(|scope| {
        for start in 0..4 {
            let cache = &cache;
            scope.spawn(move || write(cache, start * 5..start * 5 + 10));
        }
    });
    assert_eq!(held(&cache, 0..25), (0..25).collect::<Vec<_>>());
    // The same content is the same file.
    write(&cache, 0..3);
    let before = files(&cache);
    write(&cache, 0..3);
    assert_eq!(files(&cache), before);
}

#[test]
fn a_damaged_segment_is_removed_and_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    write(&cache, 0..2);
    let [path] = &files(&cache)[..] else { panic!("one file") };
    let good = fs::read(path).expect("readable");
    for at in (0..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        for content in [&bad[..], &good[..at]] {
            fs::write(path, content).expect("writable");
            assert_eq!(
                cache.list().expect("readable").iter().map(|h| h.damaged.len()).sum::<usize>(),
                usize::from(!content.is_empty())
            );
            let store = store(&cache);
            assert!(!store.contains(&key(0)) && store.warnings().len() == 1, "byte {at}");
            assert!(!path.exists());
        }
    }
}

#[test]
fn files_named_by_their_content_that_are_not_segments_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    let place = cache.producer_folder(&producer());
    make_folder(&place).expect("made");
    let metadata = segment::SegmentMetadata { producer: producer(), dim: 1, about: String::new() };
    let other = segment::write(&place, &metadata, &[key(0)], &[1.0]).expect("written");
    assert!(!store(&cache).contains(&key(0)) && !other.exists());
    let hash = blake3::hash(b"{}").to_hex();
    fs::write(place.join(format!("{hash}.safetensors")), b"{}").expect("written");
    assert_eq!(store(&cache).warnings().len(), 1);
}

#[test]
fn clearing_keeps_what_was_used_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    for number in 0..3 {
        write(&cache, [number]);
        let written: BTreeSet<PathBuf> = files(&cache).into_iter().collect();
        for path in written {
            // Opening a store touches every segment, so the times are set by the order of creation.
            let mut out = [0.0; DIM];
            let segment = segment::Segment::open(&path).expect("whole");
            segment.read(0, &mut out);
            let used = std::time::SystemTime::now() - Duration::from_secs(1000 * (3 - out[0] as u64));
            fs::File::options().append(true).open(&path).and_then(|f| f.set_modified(used)).expect("set");
        }
    }
    let [all] = &cache.list().expect("readable")[..] else { panic!("one store") };
    assert_eq!((all.texts, all.dim, all.about.as_str(), all.damaged.len()), (3, DIM, "a test's model", 0));
    let limits = RetentionLimits { size: Some(all.bytes * 2 / 3), unused: None };
    let dry = cache.collect_garbage(limits, true).expect("counted");
    assert_eq!((dry.files, files(&cache).len()), (1, 3));
    assert_eq!(cache.collect_garbage(limits, false).expect("cleared"), dry);
    assert_eq!(held(&cache, 0..3), [1, 2]);
    let all = cache.collect_garbage(RetentionLimits { size: Some(0), unused: None }, false).expect("cleared");
    assert_eq!((all.files, all.kept, files(&cache).len()), (2, 0, 0));
}

#[test]
fn leftovers_are_removed_unless_a_process_writes_to_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    write(&cache, [0]);
    let place = files(&cache)[0].parent().expect("a folder").to_owned();
    let left = place.join(".emberline-left.tmp");
    fs::write(&left, b"half").expect("written");
    let held_open = emberline_base::file::temporary_in(&place).expect("a file");
    assert_eq!(cache.collect_garbage(RetentionLimits::default(), false).expect("cleared").files, 1);
    assert!(!left.exists() && held_open.path().exists());
    fs::write(&left, b"half").expect("written");
    assert_eq!(held(&cache, [0]), [0]);
    assert!(!left.exists() && held_open.path().exists());
}
