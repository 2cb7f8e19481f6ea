//! Where a run lies: beside its pipeline file, from wherever a command is called.

use std::fs;
use std::path::Path;

use emberline_tests::{Ended, Fixture, Pipeline, run_in, sources};

/// A folder `project` with data and a pipeline file, and an empty folder `elsewhere`.
fn project() -> Fixture {
    let rows: Vec<_> = (0..40).map(|n| (format!("{} {n}", ["good fine", "bad poor"][n % 2]), n % 2)).collect();
    let pipeline = Pipeline::new("p").toml("[embedding.small.hashing]\ndim = 4\n[train]\nepochs = 1");
    let fixture = Fixture::empty().file("project/texts.csv", sources::csv(&rows));
    fs::create_dir(fixture.join("elsewhere")).expect("made");
    fixture.file("project/p.toml", pipeline.to_string())
}

/// Runs a command in a folder, where it must end well.
fn fine(folder: &Path, args: &[&str]) -> Ended {
    let ended = run_in(folder, args);
    assert_eq!(ended.code, Some(0), "{args:?}: {ended:?}");
    ended
}

#[test]
fn every_command_finds_the_run_from_every_folder() {
    let at = project();
    let (elsewhere, project) = (at.join("elsewhere"), at.join("project"));
    let ended = fine(&elsewhere, &["run", "../project/p.toml"]);
    assert!(ended.stderr.contains("report: ../project/runs/p/report.html"), "{}", ended.stderr);
    assert!(project.join("runs/p/summary.json").is_file() && !elsewhere.join("runs").exists());
    for (folder, file) in [(&elsewhere, "../project/p.toml"), (&project, "p.toml"), (&project, "./p.toml")] {
        assert!(fine(folder, &["plan", file]).stdout.contains("1 cell: 1 done"));
        assert!(fine(folder, &["explain", file]).stderr.contains("all cells are done"));
        assert!(fine(folder, &["run", file]).stderr.contains("0 cells trained"));
        fine(folder, &["lock", file]);
    }
    fine(&elsewhere, &["verify", "../project/p.toml"]);
    fine(&elsewhere, &["report", "../project/runs/p"]);
    // A folder that is named counts from the working folder.
    fine(&elsewhere, &["run", "../project/p.toml", "--out", "mine"]);
    assert!(elsewhere.join("mine/summary.json").is_file());
    assert!(fine(&elsewhere, &["plan", "../project/p.toml", "--out", "mine"]).stdout.contains("1 done"));
}

#[test]
fn a_folder_of_another_pipeline_is_refused_by_every_command() {
    let at = project();
    let project = at.join("project");
    fine(&project, &["run", "p.toml"]);
    let before = fs::read(project.join("runs/p/summary.json")).expect("readable");
    fs::copy(project.join("p.toml"), project.join("q.toml")).expect("copied");
    for command in ["run", "plan", "explain", "lock"] {
        let ended = run_in(&project, &[command, "q.toml"]);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("holds the results of") && ended.stderr.contains("--out"), "{ended:?}");
    }
    assert_eq!(fs::read(project.join("runs/p/summary.json")).expect("readable"), before);
    fs::remove_file(project.join("p.toml")).expect("removed");
    assert!(fine(&project, &["plan", "q.toml"]).stdout.contains("1 done"), "a pipeline that was renamed keeps its run");
}

#[test]
fn a_run_where_earlier_versions_kept_it_is_named() {
    let at = project();
    fine(at.path(), &["run", "project/p.toml", "--out", "runs/p"]);
    let ended = fine(at.path(), &["plan", "project/p.toml"]);
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("runs/p holds a run")).collect();
    assert!(matches!(lines[..], [line] if line.contains("move it to project/runs/p") && line.contains("--out runs/p")));
    assert!(ended.stdout.contains("0 done"), "{ended:?}");
    fs::create_dir(at.join("project/runs")).expect("made");
    fs::rename(at.join("runs/p"), at.join("project/runs/p")).expect("moved");
    let ended = fine(at.path(), &["plan", "project/p.toml"]);
    assert!(ended.stdout.contains("1 done") && !ended.stderr.contains("holds a run"), "{ended:?}");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused_alike_by_check_and_run() {
    let at = project();
    let project = at.join("project");
    let made = std::process::Command::new("mkfifo").arg(project.join("pipe.csv")).status().expect("mkfifo starts");
    assert!(made.success());
    let said: Vec<String> =
        [&["check", "p.toml", "-S", "data.path=pipe.csv"][..], &["run", "p.toml", "-S", "data.path=pipe.csv"]]
            .iter()
            .map(|args| {
                let ended = run_in(&project, args);
                assert_eq!(ended.code, Some(8), "{ended:?}");
                ended.stderr.lines().find(|line| line.contains("it is a pipe")).expect("said").to_owned()
            })
            .collect();
    assert_eq!(said[0], said[1]);
}
