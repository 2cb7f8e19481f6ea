//! `submit`, `status`, `logs`, `cancel` and `task`, with stand-ins for Slurm's commands that answer as a test asks them to. A real
//! Slurm is used by `ci/slurm.sh`.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use emberline_base::Digest;
use emberline_tests::fixture::{list, text};
use emberline_tests::run_files::{assert_same, records};
use emberline_tests::{Ended, Fixture, Pipeline, end};
use serde_json::Value;

/// Every command writes its words to `calls`. `sbatch` refuses what `refuse` names, a test or a script; `squeue` prints `queue`, and
/// `srun` what `node` holds.
const SLURM: [(&str, &str); 5] = [
    (
        "sbatch",
        r#"if [ "$1" = --test-only ] && [ -e refuse ]; then echo "sbatch: error: $(cat refuse)" >&2; exit 1; fi
[ "$1" != --test-only ] || exit 0
if [ -e break ] && grep -q "$(cat break)" <<<"$*"; then echo "sbatch: error: Batch job submission failed: Slurm controller not responding" >&2; exit 1; fi
count=$(($(cat count 2>/dev/null || echo 100) + 1)); echo $count >count; echo $count"#,
    ),
    ("squeue", "cat queue 2>/dev/null || true"),
    ("scontrol", "echo 'MaxArraySize            = 11'"),
    ("scancel", "true"),
    (
        "srun",
        "cat node 2>/dev/null || { echo 'srun: error: Unable to allocate resources: Requested nodes are busy' >&2; exit 1; }",
    ),
];

/// A grid of an encoder and of a table, with its profile and Slurm's stand-ins.
struct Cluster(Fixture);

impl Cluster {
    fn new() -> Self {
        let bert = emberline_tests::fixture::repository("crates/encoder/tests/fixtures/bert");
        let pipeline =
            Pipeline::new("p").section("embedding.bert.sentence_transformer", &format!("path = {bert:?}")).toml(
                r#"
                [embedding.words.hashing]
                dim = 4
                [train]
                epochs = 2
                [callbacks.tensorboard]
                [grid]
                embedding = ["bert", "words"]
                seed = [1, 2]
                "#,
            );
        let rows = (0..60).map(|row| (format!("{} text {row}", ["good", "bad"][row % 2]), row % 2));
        let fixture = Fixture::empty().rows(rows).pipeline(&pipeline);
        let cluster = Self(fixture);
        cluster.profile("");
        for (name, script) in SLURM {
            let path = cluster.0.join("bin").join(name);
            let script = format!("#!/bin/bash\ncd {:?}\necho {name} \"$@\" >>calls\n{script}\n", cluster.0.path());
            cluster.0.write(format!("bin/{name}"), script);
            assert!(std::process::Command::new("chmod").arg("+x").arg(path).status().expect("chmod").success());
        }
        cluster
    }

    fn profile(&self, more: &str) {
        let shared = self.0.path();
        let text = format!(
            "executor = \"slurm\"\nshared_dir = {shared:?}\nprogram = \"emberline\"\ndevice = \"cpu\"\n[slurm]\ncells_per_task = 1\n[slurm.embed]\n\
             texts_per_task = 25\n{more}\n"
        );
        self.0.write("profile.toml", text);
    }

    fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Ended {
        let path = format!("{}:/usr/bin:/bin", self.0.join("bin").display());
        let mut command = self.0.command(args);
        command.env("PATH", path).env("EMBERLINE_PROFILE", self.0.join("profile.toml"));
        command.env("EMBERLINE_CACHE_DIR", self.0.join("emberline-cache"));
        end(command.envs(variables.iter().copied()))
    }

    fn ends(&self, args: &[&str], code: i32) -> Ended {
        let ended = self.run_with(args, &[]);
        assert_eq!(ended.code, Some(code), "{args:?}: {}", ended.printed());
        ended
    }

    fn submit(&self) -> Ended {
        self.ends(&["submit", "p.toml"], 0)
    }

    /// Runs a task of the first submission.
    fn task(&self, job: &str, index: usize) -> Ended {
        let index = index.to_string();
        let variables = [("SLURM_ARRAY_TASK_ID", index.as_str()), ("SLURM_ARRAY_JOB_ID", "101")];
        self.run_with(&["task", "runs/p/submit/1/manifest.json", job], &variables)
    }

    /// Runs all tasks of the first submission, one after another.
    fn run_all(&self) {
        for job in list(&self.manifest()["jobs"]) {
            for index in 0..list(&job["tasks"]).len() {
                let ended = self.task(text(&job["name"]), index);
                assert_eq!(ended.code, Some(0), "{job}: {}", ended.printed());
            }
        }
    }

    fn manifest(&self) -> Value {
        serde_json::from_str(&self.0.read("runs/p/submit/1/manifest.json")).expect("JSON")
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.0.join("calls")).unwrap_or_default()
    }

    /// The cells' states by `status`.
    fn states(&self) -> BTreeMap<String, String> {
        let printed = self.ends(&["status", "p.toml", "--format", "json"], 0).stdout;
        let status: Value = serde_json::from_str(&printed).expect("JSON");
        list(&status["cells"])
            .iter()
            .map(|cell| (text(&cell["id"]).to_owned(), text(&cell["state"]).to_owned()))
            .collect()
    }
}

#[test]
fn the_tasks_come_to_the_records_of_a_local_run() {
    let cluster = Cluster::new();
    let submitted = cluster.submit();
    for (job, tasks) in [("embed-bert", 3), ("train-bert", 2), ("train", 2), ("report", 1)] {
        assert!(submitted.stdout.contains(job), "{}", submitted.stdout);
        let manifest = cluster.manifest();
        let found = list(&manifest["jobs"]).iter().find(|found| found["name"] == job).expect("the job");
        assert_eq!(list(&found["tasks"]).len(), tasks, "{job}");
    }
    let calls = cluster.calls();
    for part in ["--dependency=afterok:101", "train-bert.sh", "--dependency=afterany:102:103", "report.sh"] {
        assert!(calls.contains(part), "{part}: {calls}");
    }
    cluster.run_all();
    // A task finds done what it did before.
    assert!(cluster.task("train", 0).stderr.contains("0 cells trained, 1 done before"));
    assert!(cluster.states().values().all(|state| state == "done"), "{:?}", cluster.states());
    assert!(cluster.ends(&["submit", "p.toml"], 0).stderr.contains("nothing to submit"));
    cluster.0.remove("runs/p/submit");
    let local = Cluster::new();
    local.ends(&["run", "p.toml", "--device", "cpu"], 0);
    let same = local.0.join("runs/p");
    assert_same(&cluster.0.join("runs/p"), &records(&same), "on a cluster");
}

/// The embedding tasks divide the texts among them, and training finds all of them in the cache.
#[test]
fn embedding_tasks_encode_each_text_once() {
    let cluster = Cluster::new();
    cluster.submit();
    let said: Vec<String> = (0..3).map(|index| cluster.task("embed-bert", index).stderr).collect();
    assert!(
        said.iter().all(|said| said.contains("20 texts in the cache") && said.contains(", 0 of them before")),
        "{said:?}"
    );
    assert!(cluster.task("embed-bert", 0).stderr.contains("20 of them before"));
    cluster.0.remove("runs/p/submit");
    cluster.submit();
    assert!(!cluster.0.read("runs/p/submit/1/manifest.json").contains("embed-bert"), "nothing is left to encode");
}

#[test]
fn only_what_is_neither_done_nor_in_the_queue_is_submitted_again() {
    let cluster = Cluster::new();
    cluster.submit();
    assert_eq!(cluster.task("train", 0).code, Some(0));
    let manifest = cluster.manifest();
    let cell = |job: &str, index: usize| {
        let job = list(&manifest["jobs"]).iter().find(|found| found["name"] == job).expect("the job").clone();
        text(&job["tasks"][index]["cells"][0]).to_owned()
    };
    // 102 is train-bert, whose tasks are expanded one by one, running or not.
    cluster.0.write(
        "queue",
        "102|0|RUNNING|None\n102|1|PENDING|Resources\n104|N/A|PENDING|Dependency\n999|0|RUNNING|None\n",
    );
    let states = cluster.states();
    let expected =
        [("train-bert", 0, "running"), ("train-bert", 1, "queued"), ("train", 0, "done"), ("train", 1, "missing")];
    for (job, index, state) in expected {
        assert_eq!(states[&cell(job, index)], state, "{job} {index}");
    }
    let printed = cluster.ends(&["status", "p.toml"], 0).stdout;
    assert!(printed.contains("4 cells: 1 done, 0 failed, 1 running, 1 queued, 1 missing"), "{printed}");
    assert!(printed.contains("Resources") && printed.contains("Dependency"), "{printed}");
    cluster.submit();
    let second = cluster.0.read("runs/p/submit/2/manifest.json");
    assert!(second.contains(&cell("train", 1)) && !second.contains(&cell("train-bert", 0)), "{second}");
    assert!(!second.contains(&cell("train", 0)) && !second.contains(&cell("train-bert", 1)), "{second}");
    // Its report waits for what was queued before, too.
    assert!(cluster.calls().contains("--dependency=afterany:105:102:104"), "{}", cluster.calls());
    let cancelled = cluster.ends(&["cancel", "p.toml"], 0);
    assert_eq!(cancelled.stdout, "102\n104\n");
    assert!(cluster.calls().contains("scancel 102 104"), "{}", cluster.calls());
}

#[test]
fn a_dry_run_prints_the_files_of_the_submission_and_queues_nothing() {
    let cluster = Cluster::new();
    let printed = cluster.ends(&["submit", "p.toml", "--dry-run"], 0).stdout;
    assert!(!cluster.0.join("runs").exists(), "nothing was written");
    assert!(!cluster.calls().contains("sbatch"), "{}", cluster.calls());
    cluster.submit();
    let folder = cluster.0.join("runs/p/submit/1");
    let mut files = 0;
    for part in printed.split("==> ").skip(1) {
        let (path, content) = part.split_once(" <==\n").expect("a file's name");
        let written = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(content, written + "\n", "{path}");
        files += 1;
    }
    let others = ["jobs.json", "logs"];
    let names = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("an entry").file_name());
    assert_eq!(files, names.filter(|name| !others.iter().any(|other| name == *other)).count());
}

#[test]
fn what_is_wrong_is_named_before_anything_is_queued() {
    let cluster = Cluster::new();
    let refused = |code: i32, says: &[&str]| {
        let ended = cluster.ends(&["submit", "p.toml"], code);
        says.iter().for_each(|says| assert!(ended.stderr.contains(says), "{says}: {}", ended.stderr));
        let calls = cluster.calls();
        assert!(!calls.lines().any(|call| call.starts_with("sbatch --parsable")), "{calls}");
        assert!(!cluster.0.join("runs/p/submit/1").exists(), "a submission without jobs");
    };
    cluster.0.write("refuse", "invalid partition specified: gpuu");
    cluster.profile("[slurm.train]\npartition = \"gpuu\"");
    refused(2, &["profile.toml", "[slurm.embed]", "invalid partition specified: gpuu", "nothing was queued"]);
    cluster.0.remove("refuse");
    cluster.0.write("node", "emberline-probe lacks n7\n");
    refused(2, &["the node n7", "shared_dir", "nothing was queued"]);
    cluster.0.remove("node");
    cluster.profile("[slurm.train]\npartitoin = \"gpu\"");
    refused(2, &["profile.toml", "line 10", "partitoin"]);
    cluster.0.write("profile.toml", "executor = \"slurm\"\nshared_dir = \"/usr\"\n");
    refused(2, &["the pipeline file", "/usr", "shared_dir"]);
    cluster.0.write("profile.toml", "executor = \"slurm\"\nshared_dir = \"/no/such/folder\"\n");
    refused(2, &["/no/such/folder", "no folder on this machine"]);
    cluster.0.remove("profile.toml");
    refused(2, &["there is no profile", "docs/slurm.md"]);
    cluster.profile("");
    // A machine without Slurm, whatever this one has.
    let path = cluster.0.join("none").display().to_string();
    let ended = cluster.run_with(&["submit", "p.toml"], &[("PATH", path.as_str())]);
    assert!(ended.code == Some(2) && ended.stderr.contains("there is no `sbatch`"), "{}", ended.printed());
    assert!(
        ended.stderr.contains("emberline cells") && !cluster.0.join("runs/p/submit/1").exists(),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_job_that_cannot_be_queued_takes_those_before_it_along() {
    let cluster = Cluster::new();
    cluster.0.write("break", "report.sh");
    let ended = cluster.ends(&["submit", "p.toml"], 1);
    assert!(
        ended.stderr.contains("Slurm controller not responding") && ended.stderr.contains("report"),
        "{}",
        ended.stderr
    );
    assert!(cluster.calls().contains("scancel 101 102 103"), "{}", cluster.calls());
}

#[test]
fn a_large_grid_becomes_several_arrays() {
    let cluster = Cluster::new();
    cluster.0.edit("p.toml", "seed = [1, 2]", "seed = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]");
    cluster.submit();
    let manifest = cluster.manifest();
    let sizes: Vec<(&str, usize)> =
        list(&manifest["jobs"]).iter().map(|job| (text(&job["name"]), list(&job["tasks"]).len())).collect();
    let expected =
        [("embed-bert", 3), ("train-bert.1", 11), ("train-bert.2", 2), ("train.1", 11), ("train.2", 2), ("report", 1)];
    assert_eq!(sizes, expected);
    assert!(cluster.0.read("runs/p/submit/1/train.1.sh").contains("--array=0-10\n"));
}

#[test]
fn a_manifest_of_another_plan_is_refused() {
    let cluster = Cluster::new();
    cluster.submit();
    cluster.0.edit("p.toml", "epochs = 2", "epochs = 3");
    let task = cluster.task("train", 0);
    assert_eq!(task.code, Some(5), "{}", task.printed());
    assert!(task.stderr.contains("manifest.json") && task.stderr.contains("isn't in the plan"), "{}", task.stderr);
    cluster.0.write("queue", "103|0|PENDING|Resources\n");
    let again = cluster.ends(&["submit", "p.toml"], 5);
    assert!(
        again.stderr.contains("emberline cancel") && !cluster.0.join("runs/p/submit/2").exists(),
        "{}",
        again.stderr
    );
    cluster.0.write("runs/p/submit/1/manifest.json", "{\"version\": 9}");
    let newer = cluster.task("train", 0);
    assert!(newer.code == Some(5) && newer.stderr.contains("version 9"), "{}", newer.printed());
    cluster.0.write("runs/p/submit/1/manifest.json", "{\"version\": 1");
    let cut = cluster.task("train", 0);
    assert!(cut.code == Some(5) && cut.stderr.contains("submit again"), "{}", cut.printed());
}

#[test]
fn the_report_lists_what_is_missing() {
    let cluster = Cluster::new();
    cluster.submit();
    let missing = text(&cluster.manifest()["jobs"][2]["tasks"][1]["cells"][0]).to_owned();
    for (job, index) in [("train-bert", 0), ("train-bert", 1), ("train", 0)] {
        assert_eq!(cluster.task(job, index).code, Some(0));
    }
    let report = cluster.task("report", 0);
    assert_eq!(
        (report.code, report.stdout.as_str()),
        (Some(7), format!("{missing}\n").as_str()),
        "{}",
        report.printed()
    );
    assert!(report.stderr.contains("1 cell is missing; `emberline submit"), "{}", report.stderr);
    let statuses: Vec<Value> = cluster.0.cells("runs/p").into_iter().map(|cell| cell["status"].clone()).collect();
    assert_eq!(statuses.iter().filter(|status| *status == "done").count(), 3, "{statuses:?}");
}

#[test]
fn what_a_cells_task_has_printed_is_shown() {
    let cluster = Cluster::new();
    cluster.submit();
    let cell = text(&cluster.manifest()["jobs"][2]["tasks"][1]["cells"][0]).to_owned();
    let waits = cluster.ends(&["logs", "p.toml", &cell], 2);
    assert!(waits.stderr.contains("its task train-1 hasn't begun"), "{}", waits.stderr);
    cluster.0.write("runs/p/submit/1/logs/train-1.log", "epoch 1\n");
    assert_eq!(cluster.ends(&["logs", "p.toml", &cell], 0).stdout, "epoch 1\n");
    cluster.0.write("runs/p/submit/1/logs/report.log", "done\n");
    assert_eq!(cluster.ends(&["logs", "p.toml", "report"], 0).stdout, "done\n");
    let unknown = cluster.ends(&["logs", "p.toml", "wordz-s1"], 2);
    assert!(unknown.stderr.contains("there is no cell `wordz-s1`"), "{}", unknown.stderr);
}

/// Two copies of a task at the same time, as after a node that was lost only for its controller: on the file system of a test one waits
/// for the other; the records are those of one.
#[test]
fn two_live_copies_of_a_task_are_harmless() {
    let (cluster, alone) = (Cluster::new(), Cluster::new());
    for cluster in [&cluster, &alone] {
        cluster.0.edit("p.toml", "epochs = 2", "epochs = 60");
        cluster.submit();
    }
    let start = || {
        let mut command = cluster.0.command(&["task", "runs/p/submit/1/manifest.json", "train"]);
        command.env("SLURM_ARRAY_TASK_ID", "0").stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("started")
    };
    let copies = [start(), start(), start()];
    for mut copy in copies {
        assert!(copy.wait().expect("it ends").success());
    }
    alone.task("train", 0);
    let digest = |cluster: &Cluster| {
        let cell = text(&cluster.manifest()["jobs"][2]["tasks"][0]["cells"][0]).to_owned();
        Digest::of(&cluster.0.bytes(format!("runs/p/cells/{cell}/model.safetensors")))
    };
    assert_eq!(digest(&cluster), digest(&alone));
}

/// A second run folder, on this cluster or on another that shares the folder, trains nothing.
#[test]
fn tasks_share_cells_through_the_cache_that_the_profile_names() {
    let cluster = Cluster::new();
    let cells = cluster.0.join("cells").display().to_string();
    let profile = cluster.0.read("profile.toml");
    cluster.0.write("profile.toml", format!("cell_cache = {cells:?}\n{profile}"));
    for says in
        ["1 cell trained, 0 done before, 0 failed", "0 cells trained, 0 done before, 1 taken from the cell cache"]
    {
        cluster.submit();
        let script = cluster.0.read("runs/p/submit/1/train.sh");
        assert!(script.contains(&format!("\nexport EMBERLINE_CELL_CACHE={cells}\n")), "{script}");
        let variables = [("SLURM_ARRAY_TASK_ID", "0"), ("EMBERLINE_CELL_CACHE", cells.as_str())];
        let ended = cluster.run_with(&["task", "runs/p/submit/1/manifest.json", "train"], &variables);
        assert!(ended.code == Some(0) && ended.stderr.contains(says), "{says}: {}", ended.printed());
        cluster.0.remove("runs");
    }
    cluster.0.write("profile.toml", format!("cell_cache = \"/usr/cells\"\n{profile}"));
    let outside = cluster.ends(&["submit", "p.toml"], 2);
    assert!(outside.stderr.contains("the cell cache /usr/cells isn't in `shared_dir`"), "{}", outside.stderr);
    cluster.0.write("profile.toml", profile);
    cluster.submit();
    assert!(!cluster.0.read("runs/p/submit/1/train.sh").contains("CELL_CACHE"), "no profile, no cache");
}
