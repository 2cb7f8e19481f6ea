//! `docs/other-schedulers.md`: its commands and its manifest run a grid, each with the scheduler where it is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use emberline_test_support::{Requirement, skip};
use emberline_tests::fixture::repository;
use emberline_tests::{Ended, Fixture, Pipeline, emberline, end};
use saphyr_parser::{Event, Parser};

/// Six cells, and a shell in whose path `emberline` is the program.
struct Place {
    fixture: Fixture,
    programs: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let rows = (0..60).map(|row| (format!("{} {row}", ["good", "bad"][row % 2]), row % 2));
        let pipeline = Pipeline::new("grid").toml(
            r#"
            [embedding.one.hashing]
            dim = 4
            [embedding.two.hashing]
            dim = 8
            [head]
            layers = [{ dense = 4, activation = "relu" }]
            [train]
            epochs = 1
            [grid]
            embedding = ["one", "two"]
            seed = [1, 2, 3]
            "#,
        );
        let fixture = Fixture::empty().rows(rows).file("pipeline.toml", pipeline.to_string());
        let programs = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(emberline().get_program(), programs.path().join("emberline")).expect("linked");
        Self { fixture, programs }
    }

    /// A command in the folder, with the program in its path.
    fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new(program);
        command.current_dir(self.fixture.path()).env("PATH", format!("{}:{path}", self.programs.path().display()));
        command.env("EMBERLINE_CACHE_DIR", self.fixture.join("cache")).env_remove("RUST_BACKTRACE");
        command
    }

    fn shell(&self, script: &str) -> Ended {
        end(self.command("bash").args(["-e", "-o", "pipefail", "-c", script]))
    }

    /// Asserts that each cell was trained once, and nothing is left to run.
    fn assert_all_done(&self) {
        let left = self.fixture.done(&["cells", "pipeline.toml", "--missing", "--format", "lines"]);
        assert_eq!(left.stdout, "");
        let rest = self.fixture.done(&["run", "pipeline.toml"]);
        assert!(rest.stderr.contains("0 cells trained on cpu, 6 done before"), "{}", rest.stderr);
        for id in self.fixture.ids("runs/grid") {
            let attempts = self.fixture.join(format!("runs/grid/cells/{id}/attempts"));
            let attempts: Vec<PathBuf> =
                fs::read_dir(attempts).expect("attempts").map(|entry| entry.expect("an entry").path()).collect();
            assert!(attempts.len() == 1 && attempts[0].ends_with("1"), "{id}: {attempts:?}");
        }
    }
}

/// A process that is ended with the test.
struct Background(Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

fn page() -> String {
    fs::read_to_string(repository("docs/other-schedulers.md")).expect("the page")
}

/// The code of the fenced blocks of a language in the section of this title.
fn blocks(title: &str, language: &str) -> Vec<String> {
    let page = page();
    let section = page.split("\n## ").find(|section| section.starts_with(title)).expect("the section");
    let fence = format!("```{language}\n");
    let blocks = section.split(&fence).skip(1).map(|block| block.split("```").next().unwrap_or_default().to_owned());
    blocks.collect()
}

/// Where a program is, in the path.
fn installed(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

#[test]
fn the_missing_cells_are_lines() {
    let place = Place::new();
    let listed = place.shell("emberline cells pipeline.toml --missing --format lines");
    assert_eq!((listed.code, listed.stdout.lines().count()), (Some(0), 6), "{}", listed.printed());
    for id in listed.stdout.lines() {
        place.fixture.done(&["run", "pipeline.toml", "--quiet", "--jobs", "1", "--only", id]);
    }
    place.assert_all_done();
}

#[test]
fn gnu_parallel_runs_the_grid() {
    if installed("parallel").is_none() {
        return skip(Requirement::Parallel, "the commands for GNU Parallel");
    }
    let commands = blocks("GNU Parallel", "sh");
    assert_eq!(commands.len(), 2);
    for command in commands {
        let place = Place::new();
        let ended = place.shell(&command);
        assert_eq!(ended.code, Some(0), "{command}: {}", ended.printed());
        place.assert_all_done();
    }
}

#[test]
fn hyperqueue_runs_the_grid() {
    let Some(hq) = installed("hq") else {
        return skip(Requirement::Hyperqueue, "the commands for HyperQueue");
    };
    let commands = blocks("HyperQueue", "sh");
    assert_eq!(commands.len(), 1);
    let place = Place::new();
    let server = place.fixture.join("server");
    let start = |args: &[&str]| {
        let mut command = place.command(hq.to_str().expect("text"));
        command.args(args).env("HQ_SERVER_DIR", &server).stdout(Stdio::null()).stderr(Stdio::null());
        Background(command.spawn().expect("it starts"))
    };
    let _server = start(&["server", "start", "--host", "127.0.0.1"]);
    let begun = Instant::now();
    while !server.join("hq-current").exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "the server doesn't start");
        std::thread::sleep(Duration::from_millis(20));
    }
    let _worker = start(&["worker", "start", "--cpus", "2"]);
    let ended = place.shell(&format!("export HQ_SERVER_DIR={}\n{}", server.display(), commands[0]));
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    place.assert_all_done();
}

/// The scalars of a YAML document in their order: keys and values.
fn scalars(yaml: &str) -> Vec<String> {
    Parser::new_from_str(yaml)
        .map(|event| event.expect("YAML").0)
        .filter_map(|event| match event {
            Event::Scalar(value, ..) => Some(value.to_string()),
            _ => None,
        })
        .collect()
}

/// The value that follows a key.
fn value<'s>(scalars: &'s [String], key: &str) -> &'s str {
    let at = scalars.iter().position(|scalar| scalar == key).unwrap_or_else(|| panic!("no {key}"));
    &scalars[at + 1]
}

/// Each pod's script runs its share, as Kubernetes would start it: by the number of the pod.
#[test]
fn the_pods_of_the_indexed_job_run_the_grid() {
    let [manifest] = &blocks("Kubernetes", "yaml")[..] else { panic!("one manifest") };
    let scalars = scalars(manifest);
    assert_eq!([value(&scalars, "kind"), value(&scalars, "completionMode")], ["Job", "Indexed"]);
    let pods: usize = value(&scalars, "completions").parse().expect("a number");
    assert_eq!(value(&scalars, "value"), pods.to_string(), "PODS is the number of pods");
    let script = value(&scalars, "args");

    let place = Place::new();
    let [list] = &blocks("Kubernetes", "sh")[..] else { panic!("one command") };
    assert_eq!(place.shell(list).code, Some(0));
    let pod = |number: usize, pods: usize| {
        let mut pod = place.command("/bin/sh");
        pod.args(["-c", script]).env("PODS", pods.to_string()).env("JOB_COMPLETION_INDEX", number.to_string());
        end(&mut pod)
    };
    // With four pods, two have two cells; with twenty, most have none, and must not run the whole grid.
    let idle = pod(19, pods);
    assert_eq!((idle.code, idle.printed().trim()), (Some(0), ""), "{}", idle.printed());
    assert!(!place.fixture.join("runs").exists());
    for number in 0..4 {
        let ended = pod(number, 4);
        assert_eq!(ended.code, Some(0), "{}", ended.printed());
    }
    place.assert_all_done();
    // The exit codes of mistakes end the job: those are the pod's, too.
    place.fixture.edit("pipeline.toml", "epochs", "epoch");
    assert_eq!(pod(0, 4).code, Some(3));
}

/// The pod of a cell that fails by itself ends well: its record says so, and trying again would change nothing.
#[test]
fn a_cell_that_fails_by_itself_fails_no_pod() {
    let [manifest] = &blocks("Kubernetes", "yaml")[..] else { panic!("one manifest") };
    let place = Place::new();
    place.fixture.edit("pipeline.toml", "epochs = 1", "epochs = 9\noptimizer = { sgd = { learning_rate = 1e38 } }");
    let cells = place.fixture.done(&["cells", "pipeline.toml"]).stdout;
    place.fixture.write("cells.txt", &cells);
    let mut pod = place.command("/bin/sh");
    pod.args(["-c", value(&scalars(manifest), "args")]).env("PODS", "1").env("JOB_COMPLETION_INDEX", "0");
    let ended = end(&mut pod);
    assert_eq!(ended.code, Some(0), "{}", ended.printed());
    place.fixture.ends(&["run", "pipeline.toml"], 7);
}

/// Processes that write their records alone leave summary and reports to a run of all.
#[test]
fn records_alone_are_a_run_s_that_is_not_summarised_yet() {
    let place = Place::new();
    let ids = place.fixture.done(&["cells", "pipeline.toml"]).stdout;
    let written = |name: &str| place.fixture.join("runs/grid").join(name).exists();
    for chunk in ids.lines().collect::<Vec<_>>().chunks(2) {
        let only: Vec<&str> = chunk.iter().flat_map(|id| ["--only", id]).collect();
        let ended = place.fixture.done(&[&["run", "pipeline.toml", "--records-only"][..], &only].concat());
        assert_eq!(ended.stdout, "");
        assert!(
            ended.stderr.contains("2 cells trained on cpu") && !ended.stderr.contains("left to run"),
            "{}",
            ended.stderr
        );
        assert!(!written("summary.json") && !written("report.html") && !written("baselines"));
    }
    let again = place.fixture.done(&["run", "pipeline.toml", "--records-only"]);
    assert!(again.stderr.contains("0 cells trained on cpu, 6 done before"), "{}", again.stderr);
    place.assert_all_done();
    assert!(written("summary.json") && written("report.html"));
    // The results are those of one process.
    let expected = emberline_tests::run_files::records(&place.fixture.join("runs/grid"));
    let one = Place::new();
    one.fixture.done(&["run", "pipeline.toml"]);
    emberline_tests::run_files::assert_same(&one.fixture.join("runs/grid"), &expected, "of one process and of several");
}

/// A failure is said, and the exit code is that of a run.
#[test]
fn a_failure_is_said_where_records_alone_are_written() {
    let place = Place::new();
    place.fixture.edit("pipeline.toml", "epochs = 1", "epochs = 9\noptimizer = { sgd = { learning_rate = 1e38 } }");
    let ended = place.fixture.ends(&["run", "pipeline.toml", "--records-only"], 7);
    assert!(ended.stderr.contains("6 cells failed"), "{}", ended.stderr);
}

/// Kubernetes's own schema has no objection to the manifest.
#[test]
fn the_manifest_is_valid_for_kubernetes() {
    let Some(python) = emberline_test_support::from_environment(Requirement::Kubernetes, "the manifest of Kubernetes")
    else {
        return;
    };
    let [manifest] = &blocks("Kubernetes", "yaml")[..] else { panic!("one manifest") };
    let validate = |manifest: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("job.yaml");
        fs::write(&path, manifest).expect("written");
        end(Command::new(Path::new(&python)).args(["-c", VALIDATE]).arg(&path))
    };
    let valid = validate(manifest);
    assert_eq!(valid.code, Some(0), "{}", valid.printed());
    // The check can fail.
    let wrong = validate(&manifest.replace("completions: 20", "completions: many"));
    assert_eq!(wrong.code, Some(1), "{}", wrong.printed());
}

const VALIDATE: &str = "
import sys, yaml, kubernetes_validate
try:
    kubernetes_validate.validate(yaml.safe_load(open(sys.argv[1])), '1.31', strict=True)
except kubernetes_validate.ValidationError as error:
    sys.exit(str(error))
";
