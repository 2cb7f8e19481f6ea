//! Renders the script of a job, as `sbatch` takes it.
//!
//! What it does about faults:
//!
//! - The program ends with 75 when it is signalled: it has saved its work. The script puts exactly this task back into the queue, unless
//!   it isn't `RUNNING` any more: a task that was cancelled must not come back, and one that is preempted is put back by Slurm. Slurm's
//!   controller may be away meanwhile, so both questions are asked several times.
//! - A shell that is signalled itself must outlive the program, so it has a trap.
//! - A controller that is away when a task begins keeps `srun` from starting the program: it is tried again for a minute.
//! - With `step = "none"` there is no step that Slurm could signal: it signals the shell (`B:`), which passes the signal on. `exec` would
//!   do that as well, but would leave nobody to put the task back.

use std::fmt::Write;
use std::path::Path;

use crate::manifest::{Job, Kind, Manifest};
use crate::profile::{Profile, Resources, Step};

/// Returns the script of a job. `folder`: that of the submission; `program`: how the program is called on a node.
pub fn render(profile: &Profile, manifest: &Manifest, job: &Job, folder: &Path, program: &str) -> String {
    let mut text = "#!/bin/bash\n".to_owned();
    for directive in directives(profile, manifest, job, folder) {
        let _ = writeln!(text, "#SBATCH {directive}");
    }
    text.push('\n');
    let _ = writeln!(text, "export EMBERLINE_CACHE_DIR={}", quoted(&profile.cache_dir().to_string_lossy()));
    if let Some(folder) = &profile.cell_cache {
        let _ = writeln!(text, "export EMBERLINE_CELL_CACHE={}", quoted(&folder.to_string_lossy()));
    }
    text += "export RAYON_NUM_THREADS=\"${SLURM_CPUS_PER_TASK:-1}\"\n";
    for line in &profile.prologue {
        let _ = writeln!(text, "{line}");
    }
    let manifest_path = quoted(&folder.join("manifest.json").to_string_lossy());
    let wrapper: String = profile.wrapper.iter().map(|word| quoted(word) + " ").collect();
    let command = format!("{wrapper}{} task {manifest_path} {}", quoted(program), job.name);
    text += &match profile.slurm.step {
        Step::Srun => as_step(&command, section(profile, job.kind)),
        Step::None => as_child(&command),
    };
    text + &requeue(profile.slurm.max_requeues)
}

fn section(profile: &Profile, kind: Kind) -> &Resources {
    match kind {
        Kind::Embed => &profile.slurm.embed,
        Kind::Train => &profile.slurm.train,
        Kind::Report => &profile.slurm.report,
    }
}

fn directives(profile: &Profile, manifest: &Manifest, job: &Job, folder: &Path) -> Vec<String> {
    let slurm = &profile.slurm;
    let run = manifest.run.file_name().unwrap_or_default().to_string_lossy();
    let plain: String =
        run.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    let mut all = vec![format!("--job-name=emberline-{plain}-{}", job.name)];
    if job.kind != Kind::Report {
        let limit = slurm.array_limit.map(|limit| format!("%{limit}")).unwrap_or_default();
        all.push(format!("--array=0-{}{limit}", job.tasks.len().saturating_sub(1)));
    }
    // In a file's name, Slurm replaces what follows a percent sign.
    let logs = folder.join("logs").to_string_lossy().replace('%', "%%");
    let index = if job.kind == Kind::Report { "" } else { "-%a" };
    all.push(format!("--output={}", word(&format!("{logs}/{}{index}.log", job.name))));
    all.push("--open-mode=append".to_owned());
    all.push(format!("--chdir={}", word(&folder.to_string_lossy())));
    all.push("--requeue".to_owned());
    let to = if slurm.step == Step::None { "B:" } else { "" };
    all.push(format!("--signal={to}TERM@{}", slurm.grace_s));
    all.push("--export=NONE".to_owned());
    all.push("--ntasks=1".to_owned());
    if !job.after.is_empty() {
        all.push("--kill-on-invalid-dep=yes".to_owned());
    }
    all.extend(slurm.account.iter().map(|account| format!("--account={account}")));
    let Resources { partition, gres, constraint, time, cpus, mem, extra, texts_per_task: _ } =
        section(profile, job.kind);
    let named = [("partition", partition), ("gres", gres), ("constraint", constraint), ("time", time), ("mem", mem)];
    all.extend(named.iter().filter_map(|(key, value)| Some(format!("--{key}={}", value.as_ref()?))));
    all.extend(cpus.iter().map(|cpus| format!("--cpus-per-task={cpus}")));
    all.extend(extra.iter().cloned());
    all
}

/// Runs the program as a step. `srun` knows neither the script's `--cpus-per-task` nor, because of `--export=NONE`, its environment. If it
/// can't reach the controller, it ends with `SLURM_EXIT_ERROR` before the program has begun, and is tried again.
fn as_step(command: &str, resources: &Resources) -> String {
    let cpus = resources.cpus.map(|cpus| format!(" --cpus-per-task={cpus}")).unwrap_or_default();
    format!(
        r#"
# Slurm signals the step; this shell waits for it, even if it is signalled too.
trap : TERM
# 254: Slurm itself failed, such as a controller that doesn't answer; the program hasn't begun.
export SLURM_EXIT_ERROR=254
for pause in 1 2 4 8 16 32 0; do
  srun --export=ALL --ntasks=1{cpus} {command}
  code=$?
  [ "$code" = 254 ] || break
  sleep "$pause"
done
"#
    )
}

/// Runs the program as a child, to which the signals of this shell are passed on. A signal may come before the child is there.
fn as_child(command: &str) -> String {
    format!(
        r#"
# Slurm signals this shell alone, which passes the signal on and waits on.
signalled= child=
trap 'signalled=1; [ -z "$child" ] || kill -TERM "$child"' TERM
{command} &
child=$!
[ -z "$signalled" ] || kill -TERM "$child"
wait "$child"
code=$?
while [ -n "$signalled" ]; do
  signalled=
  wait "$child"
  code=$?
done
"#
    )
}

fn requeue(most: u32) -> String {
    format!(
        r#"
# 75: the work is saved, and goes on when the task runs again.
if [ "$code" = 75 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {most} ]; then
  task="${{SLURM_ARRAY_JOB_ID:+${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}}}"
  task="${{task:-$SLURM_JOB_ID}}"
  for pause in 1 2 4 8 16 0; do
    # A task that was cancelled isn't RUNNING any more, and must not come back.
    if state="$(squeue --noheader --jobs="$task" --format=%T 2>/dev/null)"; then
      [ "$state" = RUNNING ] || break
      scontrol requeue "$task" && break
    fi
    sleep "$pause"
  done
fi
exit "$code"
"#
    )
}

/// Quotes a text for the shell.
pub fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Quotes a value of a directive: within `"`, blanks are part of it.
fn word(text: &str) -> String {
    if text.contains(char::is_whitespace) || text.contains(['"', '\'', '\\', '#']) {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_reach_the_shell_as_they_are() {
        assert_eq!(quoted("/a/b.toml"), "/a/b.toml");
        for text in ["", "a b", "it's", "$(x)", "`x`", "a\\b", "\"", "*", "~", "日本"] {
            let printed =
                std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quoted(text))]).output();
            assert_eq!(String::from_utf8_lossy(&printed.expect("a shell").stdout), text);
        }
    }
}
