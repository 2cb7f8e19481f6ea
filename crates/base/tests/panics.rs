//! Tests what the panic hook prints: the test runs itself as another process and reads its standard error.

use std::process::Command;

use emberline_base::panics::{catch_panic, report_panics};

/// The environment variable with the name of the scene that the other process runs.
const SCENE: &str = "EMBERLINE_FENCE_SCENE";

/// Catches panics on this thread, on a worker of a pool, and in a nested call.
fn caught_panics() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    assert_eq!(catch_panic(|| -> () { panic!("on this thread") }), Err("on this thread".to_owned()));
    assert_eq!(catch_panic(|| pool.install(|| -> () { panic!("on a worker") })), Err("on a worker".to_owned()));
    assert_eq!(catch_panic(|| catch_panic(|| -> () { panic!("within") })), Ok(Err("within".to_owned())));
}

fn play(scene: &str) {
    match scene {
        "caught" => caught_panics(),
        "free" => {
            caught_panics();
            panic!("outside");
        }
        "worker" => report_panics(|| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
            let (up, hear) = std::sync::mpsc::channel();
            let (end, ends) = std::sync::mpsc::channel::<()>();
            // Another thread is in a guarded call while a worker panics outside of any.
            let other = std::thread::spawn(move || catch_panic(|| (up.send(()).expect("heard"), ends.recv())));
            hear.recv().expect("the guarded call has begun");
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pool.install(|| panic!("uncaught"))));
            end.send(()).expect("heard");
            other.join().expect("joined").expect("no panic").1.expect("heard");
            std::panic::resume_unwind(caught.expect_err("a panic"));
        }),
        other => unreachable!("{other}"),
    }
}

#[test]
fn only_panics_outside_a_fence_are_printed() {
    if let Ok(scene) = std::env::var(SCENE) {
        return play(&scene);
    }
    let this = std::env::current_exe().expect("this test");
    for (scene, printed) in [("caught", &[][..]), ("free", &["outside"]), ("worker", &["uncaught"])] {
        let mut command = Command::new(&this);
        command.args(["only_panics_outside_a_fence_are_printed", "--exact", "--nocapture"]).env(SCENE, scene);
        let ended = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.success(), printed.is_empty(), "{scene}: {said}");
        assert!(printed.iter().all(|words| said.contains(words)), "{scene}: {said}");
        for words in ["on this thread", "on a worker", "within"] {
            assert!(!said.contains(words), "{scene}: {said}");
        }
    }
}
