//! The comparison of two run folders, on which the tests of crashes, orders and threads rest, leaves nothing out unseen.

use std::path::{Path, PathBuf};

use emberline_tests::run_files::{EXCEPTIONS, differences, paths, records};
use emberline_tests::{Fixture, Pipeline};

fn finished_run() -> Fixture {
    let pipeline = Pipeline::new("p").toml(
        "[embedding.random.hashing]\ndim = 4\n[train]\nepochs = 2\n[callbacks.tensorboard]\n[callbacks.csv_logger]",
    );
    let rows = (0..40).map(|row| (format!("{} text {row}", ["good", "bad"][row % 2]), row % 2));
    let fixture = Fixture::empty().rows(rows).pipeline(&pipeline);
    fixture.done(&["run", "p.toml", "--device", "cpu"]);
    fixture
}

#[test]
fn a_file_of_a_new_kind_is_compared() {
    let fixture = finished_run();
    let run = fixture.join("runs/p");
    let before = records(&run);
    let cell = Path::new("cells").join(&fixture.ids("runs/p")[0]);
    for name in [cell.join("later.bin"), PathBuf::from("inputs/0a.later"), PathBuf::from("later/deep.txt")] {
        fixture.write(Path::new("runs/p").join(&name), "new");
        assert_eq!(differences(&before, &records(&run)), [name.as_path()]);
        fixture.remove(Path::new("runs/p").join(&name));
    }
    assert_eq!(differences(&before, &records(&run)), Vec::<PathBuf>::new());
}

/// An exception that no file is, or without which nothing would differ, is no longer one.
#[test]
fn every_exception_is_met() {
    let all = paths(&finished_run().join("runs/p"));
    for exception in &EXCEPTIONS {
        assert!(all.iter().any(|path| (exception.is_meant)(path)), "no file is it: {}", exception.reason);
    }
}
