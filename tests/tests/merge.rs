//! Locks in git: two branches that add cells merge by `merge=union`, and the merged lock is proved.

use std::process::Command;

use emberline_tests::{Fixture, Pipeline};

const ATTRIBUTES: &str = "p.lock text eol=lf merge=union\n";

/// A pipeline whose embeddings are these; without `[grid]`, all of them are compared.
fn pipeline(embeddings: &[&str]) -> Pipeline {
    let sections = embeddings.iter().map(|name| format!("[embedding.{name}.hashing]\ndim = {}\n", 4 + name.len()));
    Pipeline::new("p").section("train", "epochs = 2").toml(&sections.collect::<String>())
}

/// A repository with a locked run of one embedding, in a commit.
fn repository(attributes: &str) -> Fixture {
    let rows = (0..60).map(|row| (format!("{} {row}", ["good", "bad"][row % 2]), row % 2));
    let fixture = Fixture::empty().rows(rows).file(".gitattributes", attributes).file(".gitignore", "runs\ncache\n");
    git(&fixture, &["init", "--quiet", "--initial-branch", "main"]);
    lock(&fixture, &["mm"]);
    commit(&fixture, "one embedding");
    fixture
}

/// Runs and locks the pipeline of these embeddings.
fn lock(fixture: &Fixture, embeddings: &[&str]) {
    fixture.write("p.toml", pipeline(embeddings).to_string());
    fixture.done(&["run", "p.toml"]);
    fixture.done(&["lock", "p.toml"]);
}

fn git(fixture: &Fixture, args: &[&str]) -> bool {
    let mut git = Command::new("git");
    git.current_dir(fixture.path()).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    git.args(["-c", "user.name=A Person", "-c", "user.email=person@example.org", "-c", "core.autocrlf=false"]);
    git.args(args).output().expect("git runs").status.success()
}

fn commit(fixture: &Fixture, message: &str) {
    assert!(git(fixture, &["add", "--all"]) && git(fixture, &["commit", "--quiet", "--message", message]), "{message}");
}

/// Commits the lock of these embeddings on a new branch that begins at the first commit.
fn branch(fixture: &Fixture, name: &str, embeddings: &[&str]) {
    assert!(git(fixture, &["checkout", "--quiet", "-b", name, "main"]));
    lock(fixture, embeddings);
    commit(fixture, name);
}

/// Merges the branch `other`, whose pipeline file is in conflict, and writes the pipeline of these embeddings, as a person
/// would.
fn merge(fixture: &Fixture, embeddings: &[&str]) {
    git(fixture, &["merge", "other"]);
    fixture.write("p.toml", pipeline(embeddings).to_string());
}

#[test]
fn two_branches_that_add_cells_merge_and_verify() {
    let fixture = repository(ATTRIBUTES);
    branch(&fixture, "one", &["a", "mm"]);
    branch(&fixture, "other", &["mm", "zzz"]);
    assert!(git(&fixture, &["checkout", "--quiet", "one"]));
    merge(&fixture, &["a", "mm", "zzz"]);
    let lock = fixture.read("p.lock");
    assert!(!lock.contains("<<<<<<<"), "{lock}");
    fixture.done(&["lock", "p.toml", "--check"]);
    let verified = fixture.done(&["verify", "p.toml"]);
    assert_eq!(verified.stdout.matches("equal to the byte").count(), 3, "{}", verified.printed());
    // What `lock` writes of the merged pipeline is the merged lock, its lines sorted.
    fixture.done(&["run", "p.toml"]);
    fixture.done(&["lock", "p.toml"]);
    let lines = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines.dedup();
        lines
    };
    assert_eq!(lines(&lock), lines(&fixture.read("p.lock")));
}

/// Both add a cell at the same place, where git without the attribute sees a conflict.
#[test]
fn cells_at_one_place_merge_too() {
    let (one, other, both) = (["aa", "mm"], ["ab", "mm"], ["aa", "ab", "mm"]);
    let fixture = repository(ATTRIBUTES);
    branch(&fixture, "one", &one);
    branch(&fixture, "other", &other);
    assert!(git(&fixture, &["checkout", "--quiet", "one"]));
    merge(&fixture, &both);
    fixture.done(&["verify", "p.toml"]);

    // Without the attribute, the markers are named with their cure, and taking them out is enough.
    let fixture = repository("");
    branch(&fixture, "one", &one);
    branch(&fixture, "other", &other);
    assert!(git(&fixture, &["checkout", "--quiet", "one"]));
    merge(&fixture, &both);
    let refused = fixture.ends(&["verify", "p.toml"], 5).stderr;
    assert!(refused.contains("a merge of git left its markers here; delete the lines"), "{refused}");
    let kept: String = fixture
        .read("p.lock")
        .lines()
        .filter(|line| !["<<<<<<<", "=======", ">>>>>>>"].iter().any(|marker| line.starts_with(marker)))
        .map(|line| format!("{line}\n"))
        .collect();
    fixture.write("p.lock", kept);
    fixture.done(&["verify", "p.toml"]);
}

/// One branch changes the cells that the other one has, too: the merged lock says two things of one cell.
#[test]
fn branches_that_disagree_are_named() {
    let fixture = repository(ATTRIBUTES);
    branch(&fixture, "other", &["mm", "mn"]);
    assert!(git(&fixture, &["checkout", "--quiet", "-b", "one", "main"]));
    fixture.write("texts.csv", fixture.read("texts.csv").replace("good 0,", "fine 0,"));
    lock(&fixture, &["mm"]);
    commit(&fixture, "other data");
    merge(&fixture, &["mm", "mn"]);
    for args in [&["verify", "p.toml"][..], &["lock", "p.toml", "--check"], &["run", "p.toml", "--locked"]] {
        let refused = fixture.ends(args, 5).stderr;
        assert!(refused.contains("disagree about the cell `mm-frozen-s"), "{args:?}: {refused}");
        assert!(refused.contains("run the pipeline, then write the lock anew with `emberline lock`"), "{refused}");
    }
    fixture.done(&["run", "p.toml"]);
    fixture.done(&["lock", "p.toml"]);
    fixture.done(&["verify", "p.toml"]);
}

/// The project's own locks are merged so, its Cargo.lock is not.
#[test]
fn the_project_s_locks_merge_by_union() {
    let root = emberline_tests::fixture::repository("");
    let attribute = |path: &str| {
        let output = Command::new("git").current_dir(&root).args(["check-attr", "merge", "--", path]).output();
        String::from_utf8(output.expect("git runs").stdout).expect("UTF-8").trim().to_owned()
    };
    assert!(attribute("pipelines/quickstart.lock").ends_with("merge: union"));
    assert!(attribute("Cargo.lock").ends_with("merge: unspecified"));
}
