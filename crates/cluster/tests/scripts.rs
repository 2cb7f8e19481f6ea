//! The scripts of jobs, to the letter: `tests/scripts/*.sh`. `EMBERLINE_BLESS=1 cargo test --workspace --test scripts` writes them anew;
//! read the difference before committing it, since it runs on other people's clusters.

use std::fs;
use std::path::Path;
use std::process::Command;

use emberline_cluster::{Group, Layout, Manifest, Profile, Share, VERSION, render};

const STEP: &str = r#"
executor = "slurm"
shared_dir = "/scratch/me"
prologue = ["module load cuda/12.4"]
wrapper = ["apptainer", "exec", "--nv", "/scratch/me/my image.sif"]
[slurm]
account = "nlp"
array_limit = 50
[slurm.embed]
partition = "gpu"
gres = "gpu:1"
constraint = "a100"
time = "00:30:00"
[slurm.train]
partition = "gpu"
gres = "gpu:1"
time = "02:00:00"
cpus = 4
mem = "16G"
extra = ["--qos=long"]
"#;

const NO_STEP: &str = r#"
executor = "slurm"
shared_dir = "/scratch/me"
cache_dir = "/scratch/me/it's a cache"
cell_cache = "/scratch/our cells"
device = "cpu"
[slurm]
step = "none"
grace_s = 120
max_requeues = 3
"#;

fn manifest(run: &str) -> Manifest {
    let groups = [Group {
        source: "minilm".to_owned(),
        cells: (1..=3).map(|seed| format!("minilm-frozen-s{seed}-3f9a1c2b")).collect(),
        cells_per_task: 2,
        shares: vec![Share { cell: "minilm-frozen-s1-3f9a1c2b".to_owned(), texts: 150 }],
    }];
    Manifest {
        version: VERSION,
        pipeline: "/scratch/me/p.toml".into(),
        set: Vec::new(),
        run: run.into(),
        device: "auto".to_owned(),
        retry_failed: false,
        grace_s: 60,
        jobs: Layout { texts_per_task: 100, max_array: 1001 }.jobs(&groups),
    }
}

/// Returns the scripts of a profile by the names of their files.
fn scripts(profile: &str, prefix: &str, run: &str, program: &str) -> Vec<(String, String)> {
    let (profile, manifest) = (Profile::parse(profile).expect("sound"), manifest(run));
    let folder = Path::new(run).join("submit/1");
    let script = |job| render(&profile, &manifest, job, &folder, program);
    manifest.jobs.iter().map(|job| (format!("{prefix}-{}.sh", job.name), script(job))).collect()
}

fn all() -> Vec<(String, String)> {
    let mut all = scripts(STEP, "step", "/scratch/me/runs/p", "emberline");
    all.extend(scripts(NO_STEP, "none", "/scratch/me/my runs/100%", "/scratch/me/emberline"));
    all
}

#[test]
fn scripts_are_what_is_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
    for (name, script) in all() {
        let path = folder.join(&name);
        if std::env::var_os("EMBERLINE_BLESS").is_some() {
            fs::write(&path, &script).expect("written");
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(script, expected, "{name}: EMBERLINE_BLESS=1 writes it anew");
    }
}

#[test]
fn a_shell_can_read_the_scripts() {
    for (name, script) in all() {
        let checked = Command::new("bash").args(["-n", "-c", &script]).output().expect("bash");
        assert!(checked.status.success(), "{name}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

/// Runs a script with stand-ins for Slurm's commands and for the program, and returns what these were called with.
fn run(script: &str, program: &str, state: &str, restarts: &str) -> (Option<i32>, String) {
    let at = tempfile::tempdir().expect("a folder");
    let calls = at.path().join("calls");
    let put = |name: &str, text: &str| {
        let path = at.path().join(name);
        fs::write(&path, format!("#!/bin/bash\n{text}\n")).expect("written");
        let made = Command::new("chmod").arg("+x").arg(&path).status().expect("chmod");
        assert!(made.success());
    };
    put("srun", "while [[ \"$1\" == --* ]]; do shift; done; exec \"$@\"");
    put("squeue", &format!("echo {state}"));
    put("scontrol", &format!("echo scontrol \"$@\" >>{}", calls.display()));
    put("emberline", program);
    let path = format!("{}:{}", at.path().display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-c", script]).env("PATH", path).env("SLURM_RESTART_COUNT", restarts);
    command.envs([("SLURM_ARRAY_JOB_ID", "81"), ("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_JOB_ID", "84")]);
    let ended = command.output().expect("bash");
    (ended.status.code(), fs::read_to_string(calls).unwrap_or_default())
}

fn script(step: &str) -> String {
    let profile =
        format!("executor = \"slurm\"\nshared_dir = \"/tmp\"\n[slurm]\nstep = \"{step}\"\nmax_requeues = 3\n");
    scripts(&profile, "s", "/tmp/runs/p", "emberline").swap_remove(1).1
}

#[test]
fn only_a_task_that_runs_and_asks_for_it_is_put_back() {
    let requeued = "scontrol requeue 81_3\n";
    for step in ["srun", "none"] {
        let script = script(step);
        for (program, state, restarts, code, calls) in [
            ("exit 75", "RUNNING", "0", 75, requeued),
            ("exit 75", "RUNNING", "2", 75, requeued),
            // It came back as often as it may.
            ("exit 75", "RUNNING", "3", 75, ""),
            // It was cancelled.
            ("exit 75", "COMPLETING", "0", 75, ""),
            ("exit 0", "RUNNING", "0", 0, ""),
            ("exit 7", "RUNNING", "0", 7, ""),
            // Killed: perhaps for lack of memory, so another attempt isn't made blindly.
            ("kill -KILL $$", "RUNNING", "0", 137, ""),
        ] {
            let ended = run(&script, program, state, restarts);
            assert_eq!(ended, (Some(code), calls.to_owned()), "{step}: {program}, {state}, {restarts}");
        }
    }
}

/// `srun` fails as long as the controller doesn't answer; then the program begins, once.
#[test]
fn a_task_that_begins_while_the_controller_is_away_waits_for_it() {
    let at = tempfile::tempdir().expect("a folder");
    let tried = at.path().join("tried");
    let srun = format!(
        "srun() {{ echo . >>{0}; [ \"$(wc -l <{0})\" -gt 2 ] || return \"${{SLURM_EXIT_ERROR:-1}}\"; exit 9; }}; sleep() {{ :; }}\n{1}",
        tried.display(),
        script("srun")
    );
    assert_eq!(run(&srun, "true", "RUNNING", "0"), (Some(9), String::new()));
    assert_eq!(fs::read_to_string(&tried).expect("tried").lines().count(), 3);
}

/// The program gets the signal, and the script waits until it has saved its work.
#[test]
fn a_signal_reaches_the_program_and_the_script_outlives_it() {
    let saves =
        "trap 'sleep 0.3; exit 75' TERM\nkill -TERM $PPID\nfor _ in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done; exit 9";
    assert_eq!(run(&script("none"), saves, "RUNNING", "0"), (Some(75), "scontrol requeue 81_3\n".to_owned()));
    // With a step, Slurm signals the program itself: the shell only has to outlive it.
    let ends = "kill -TERM $PPID; sleep 0.3; exit 75";
    assert_eq!(run(&script("srun"), ends, "RUNNING", "0"), (Some(75), "scontrol requeue 81_3\n".to_owned()));
}
