//! What is kept comes back; what is damaged doesn't.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::housekeeping::Limits;

const DIM: usize = 3;

fn source() -> Digest {
    Digest::of(b"model")
}

fn shelf(cache: &Cache) -> Shelf {
    cache.shelf(&source(), "cpu", DIM, "a test's model").expect("a shelf")
}

fn vector(number: usize) -> [f32; DIM] {
    [number as f32, -0.5, f32::MIN_POSITIVE]
}

fn key(number: usize) -> Key {
    Key::of(format!("text {number}").as_bytes())
}

/// Keeps the vectors of texts with these numbers, with a flush behind each.
fn keep(cache: &Cache, numbers: impl IntoIterator<Item = usize>) {
    let shelf = shelf(cache);
    let mut writer = shelf.writer();
    for number in numbers {
        writer.add(key(number), &vector(number));
        writer.flush().expect("written");
    }
    writer.finish().expect("written");
}

fn held(cache: &Cache, numbers: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let shelf = shelf(cache);
    let mut out = [f32::NAN; DIM];
    let there = |number: &usize| {
        let there = shelf.read(&key(*number), &mut out);
        assert!(!there || out == vector(*number), "{number}: {out:?}");
        assert_eq!(there, shelf.holds(&key(*number)));
        there
    };
    numbers.into_iter().filter(there).collect()
}

fn files(cache: &Cache) -> Vec<PathBuf> {
    entries(&cache.embeddings().join(source().as_str()).join("cpu")).expect("readable")
}

#[test]
fn vectors_come_back_from_one_file_a_writer() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    assert!(held(&cache, 0..3).is_empty());
    keep(&cache, 0..4);
    keep(&cache, 4..5);
    assert_eq!(held(&cache, 0..9), [0, 1, 2, 3, 4]);
    assert_eq!(files(&cache).len(), 2);
    assert!(folder.path().join("CACHEDIR.TAG").exists());
}

#[test]
fn a_writer_tells_when_it_holds_much() {
    let folder = tempfile::tempdir().expect("a folder");
    let dim = 1 << 20;
    let shelf = Cache::at(folder.path()).shelf(&source(), "cpu", dim, "a test's model").expect("a shelf");
    let mut writer = shelf.writer();
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
    let open = shelf(&cache);
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
fn sources_and_devices_keep_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    keep(&cache, 0..2);
    assert!(!cache.shelf(&source(), "cuda", DIM, "").expect("a shelf").holds(&key(0)));
    assert!(!cache.shelf(&Digest::of(b"other"), "cpu", DIM, "").expect("a shelf").holds(&key(0)));
}

#[test]
fn writers_at_once_do_no_harm() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    std::thread::scope(|scope| {
        for start in 0..4 {
            let cache = &cache;
            scope.spawn(move || keep(cache, start * 5..start * 5 + 10));
        }
    });
    assert_eq!(held(&cache, 0..25), (0..25).collect::<Vec<_>>());
    // The same content is the same file.
    keep(&cache, 0..3);
    let before = files(&cache);
    keep(&cache, 0..3);
    assert_eq!(files(&cache), before);
}

#[test]
fn a_damaged_segment_is_removed_and_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    keep(&cache, 0..2);
    let [path] = &files(&cache)[..] else { panic!("one file") };
    let good = fs::read(path).expect("readable");
    for at in (0..good.len()).step_by(5) {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        for content in [&bad[..], &good[..at]] {
            fs::write(path, content).expect("writable");
            assert_eq!(
                cache.held().expect("readable").iter().map(|h| h.damaged.len()).sum::<usize>(),
                usize::from(!content.is_empty())
            );
            let shelf = shelf(&cache);
            assert!(!shelf.holds(&key(0)) && shelf.removed().len() == 1, "byte {at}");
            assert!(!path.exists());
        }
    }
}

#[test]
fn other_files_that_keep_their_promise_are_not_taken() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    let place = cache.embeddings().join(source().as_str()).join("cpu");
    make_folder(&place).expect("made");
    let other = segment::write(&place, "", &[key(0)], &[1.0]).expect("written");
    assert!(!shelf(&cache).holds(&key(0)) && !other.exists());
    let hash = blake3::hash(b"{}").to_hex();
    fs::write(place.join(format!("{hash}.safetensors")), b"{}").expect("written");
    assert_eq!(shelf(&cache).removed().len(), 1);
}

#[test]
fn clearing_keeps_what_was_used_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    for number in 0..3 {
        keep(&cache, [number]);
        let written: BTreeSet<PathBuf> = files(&cache).into_iter().collect();
        for path in written {
            // Opening a shelf touches every segment; what counts here is the order of their birth.
            let mut out = [0.0; DIM];
            let segment = segment::Segment::open(&path).expect("whole");
            segment.read(0, &mut out);
            let used = std::time::SystemTime::now() - Duration::from_secs(1000 * (3 - out[0] as u64));
            fs::File::options().append(true).open(&path).and_then(|f| f.set_modified(used)).expect("set");
        }
    }
    let [all] = &cache.held().expect("readable")[..] else { panic!("one shelf") };
    assert_eq!((all.texts, all.dim, all.about.as_str(), all.damaged.len()), (3, DIM, "a test's model", 0));
    let limits = Limits { size: Some(all.bytes * 2 / 3), unused: None };
    let dry = cache.clear(limits, true).expect("counted");
    assert_eq!((dry.files, files(&cache).len()), (1, 3));
    assert_eq!(cache.clear(limits, false).expect("cleared"), dry);
    assert_eq!(held(&cache, 0..3), [1, 2]);
    let all = cache.clear(Limits { size: Some(0), unused: None }, false).expect("cleared");
    assert_eq!((all.files, all.kept, files(&cache).len()), (2, 0, 0));
}

#[test]
fn leftovers_go_when_nobody_writes_to_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let cache = Cache::at(folder.path());
    keep(&cache, [0]);
    let place = files(&cache)[0].parent().expect("a folder").to_owned();
    let left = place.join(".emberline-left.tmp");
    fs::write(&left, b"half").expect("written");
    let held_open = emberline_base::file::temporary_in(&place).expect("a file");
    assert_eq!(cache.clear(Limits::default(), false).expect("cleared").files, 1);
    assert!(!left.exists() && held_open.path().exists());
    fs::write(&left, b"half").expect("written");
    assert_eq!(held(&cache, [0]), [0]);
    assert!(!left.exists() && held_open.path().exists());
}
