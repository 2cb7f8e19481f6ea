#!/usr/bin/env bash
# Runs a grid on a real Slurm of four nodes on this machine (ci/slurm-cluster.sh): embedding -> 20 cells -> report, while a task and a
# node are killed, tasks are preempted and the controller is killed. In the end all 20 cells are done, with the bytes of a local run.
# What can be wrong is named before anything is queued, and the controller is asked seldom. A task without a step, in a wrapper, is
# signalled by Slurm when its time is nearly over, and goes on from where it was.
#
# EMBERLINE_BINARY names a built program; else the dev build is made.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh
PATH="$PATH:/usr/sbin"

has_slurm() { command -v slurmctld slurmd sbatch munged >/dev/null; }
if [ "$(id -u)" != 0 ]; then
  skip slurm "grids on a real Slurm: starting one needs root"
  exit 0
fi
if ! has_slurm && ! { apt-get install -y --no-install-recommends slurmctld slurmd slurm-client munge >/dev/null 2>&1 && has_slurm; }; then
  skip slurm "grids on a real Slurm: slurmctld, slurmd, slurm-client and munge aren't there and can't be installed"
  exit 0
fi

program="${EMBERLINE_BINARY:-}"
if [ -z "$program" ]; then
  # In the words of ci/test.sh, so that nothing is built a second time with other features of the same dependencies.
  cargo test --workspace --no-run --locked --quiet
  program="${CARGO_TARGET_DIR:-target}/debug/emberline"
fi
fixtures="$PWD/crates/encoder/tests/fixtures"
cluster="$PWD/ci/slurm-cluster.sh"

work="$(mktemp -d)"
shared="$work/shared"
export SLURM_BASE="$work/slurm" BLIND="$work/unseen"
mkdir -p "$shared/tmp" "$BLIND" "$work/small"
# Jobs run programs of the shared folder alone.
install "$program" "$shared/emberline"
program="$shared/emberline"
mounted=
finish() {
  "$cluster" down || true
  [ -z "$mounted" ] || umount "$work/small"
  rm -rf "$work"
}
trap finish EXIT
if ! unshare --mount true 2>/dev/null; then
  unset BLIND
fi
"$cluster" up
. "$SLURM_BASE/env.sh"

fail() {
  echo "error: $*" >&2
  for log in "$shared"/runs/*/submit/*/logs/*.log; do echo "-- $log" && tail -n 15 "$log"; done >&2 2>/dev/null || true
  squeue >&2 || true
  exit 1
}

# Fails unless a command ends with this code and says this: `expect CODE TEXT COMMAND...`.
expect() {
  local code="$1" text="$2" ended=0
  shift 2
  "$@" >"$work/said" 2>&1 || ended=$?
  [ "$ended" = "$code" ] || fail "$* ended with $ended instead of $code: $(cat "$work/said")"
  grep -qF -- "$text" "$work/said" || fail "$* doesn't say '$text': $(cat "$work/said")"
}

# Waits for a condition: `wait_for SECONDS WHAT COMMAND...`.
wait_for() {
  local until=$((SECONDS + $1)) what="$2"
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$until" ] || fail "$what: not within the time"
    sleep 0.3
  done
}

queue() { squeue --noheader --array --format='%F|%K|%T|%j' 2>/dev/null; }
running() { [ "$(queue | grep -c 'RUNNING|.*-train')" -ge "$1" ]; }
# An answer of the controller is needed: an error isn't an empty queue.
is_idle() { squeue --noheader >"$work/queue" 2>/dev/null && [ ! -s "$work/queue" ]; }
# Slurm holds a task whose launch failed, as beside a controller that is killed; a person has to release it (docs/slurm.md).
is_idle_or_released() {
  local held
  held="$(squeue --noheader --array --format='%i|%r' 2>/dev/null | awk -F'|' '/launch failed requeued held/ { print $1; exit }')"
  if [ -n "$held" ]; then
    echo "released: task $held, which Slurm held because its launch failed"
    scontrol release "$held"
  fi
  is_idle
}
results() { find "$shared/runs/grid/cells" -maxdepth 2 -name result.json 2>/dev/null | wc -l; }
has_results() { [ "$(results)" -ge "$1" ]; }

{
  echo text,label
  for n in $(seq 240); do echo "word$((n % 7)) other$((n % 5)) text $n,$((n * 7 % 3 % 2))"; done
} >"$shared/texts.csv"
cp -r "$fixtures/bert" "$shared/bert"
grid() {
  cat <<TOML
name = "$1"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.words.hashing]
dim = 8
[embedding.bert.sentence_transformer]
path = "bert"
[head]
layers = [{ dense = 64 }, { dense = 64 }]
[train]
epochs = $2
[grid]
embedding = $3
seed = [$(seq -s, "$4")]
TOML
}
profile() {
  cat <<TOML
executor = "slurm"
shared_dir = "$shared"
[slurm]
cells_per_task = ${2:-1}
grace_s = 10
[slurm.embed]
texts_per_task = 100
extra = ["--comment=ci"$1]
[slurm.train]
extra = ["--comment=ci"$1]
[slurm.report]
extra = ["--comment=ci"$1]
TOML
}
grid grid "${EMBERLINE_SLURM_EPOCHS:-1000}" '["bert"]' 20 >"$shared/grid.toml"
grid many 1 '["words"]' 1000 >"$shared/many.toml"
profile "" >"$shared/profile.toml"
profile ', "--hold"' '"auto"' >"$shared/held.toml"
export EMBERLINE_PROFILE="$shared/profile.toml"

echo "== what is wrong is named before anything is queued"
expect 2 "Invalid partition name specified" "$program" submit "$shared/grid.toml" --profile-file <(sed '/slurm.train/a partition = "nope"' "$shared/profile.toml")
expect 2 "isn't in \`shared_dir\`" "$program" submit "$shared/grid.toml" --out "$work/elsewhere"
expect 2 "there is no \`sbatch\`" env PATH=/nowhere "$program" submit "$shared/grid.toml"
expect 3 "seeed" "$program" submit "$shared/grid.toml" -S seeed=1
if mount -t tmpfs -o size=4m tmpfs "$work/small" 2>/dev/null; then
  mounted=1
  cp -r "$shared"/{grid.toml,texts.csv,bert} "$work/small/"
  sed "s|^shared_dir.*|shared_dir = \"$work/small\"\nprogram = \"emberline\"|" "$shared/profile.toml" >"$work/small/profile.toml"
  expect 1 "no space left on device" "$program" submit "$work/small/grid.toml" --profile-file "$work/small/profile.toml"
else
  skip small-disk "a shared folder that is full"
fi
if [ -n "${BLIND:-}" ]; then
  mkdir -p "$BLIND" && cp -r "$shared"/{grid.toml,texts.csv,bert} "$BLIND/"
  sed "s|^shared_dir.*|shared_dir = \"$BLIND\"\nprogram = \"emberline\"|; s|slurm.train.|&\npartition = \"blind\"|" "$shared/profile.toml" >"$BLIND/profile.toml"
  expect 2 "doesn't see" "$program" submit "$BLIND/grid.toml" --profile-file "$BLIND/profile.toml"
fi
is_idle || fail "something was queued: $(cat "$work/queue")"

echo "== 1,000 cells cost few calls of the controller"
calls() { sdiag | awk '/by message type/ { on = 1 } /by user/ { on = 0 } on && /count:/ && !/REQUEST_STATS_INFO|NODE_REGISTRATION/ { split($0, part, "count:"); sum += part[2] } END { print sum + 0 }'; }
before="$(calls)"
"$program" submit "$shared/many.toml" --profile-file "$shared/held.toml"
asked=$(($(calls) - before))
echo "calls: $asked"
[ "$asked" -le 20 ] || fail "submitting 1,000 cells cost $asked calls"
"$program" status "$shared/many.toml" | grep -q "1000 cells: 0 done, 0 failed, 0 running, 1000 queued, 0 missing" || fail "$("$program" status "$shared/many.toml")"
expect 0 "nothing to submit" "$program" submit "$shared/many.toml" --profile-file "$shared/held.toml"
# A pipeline file that was changed meanwhile has other cells.
sed 's/^epochs = .*/epochs = 2/' "$shared/many.toml" >"$shared/changed" && mv "$shared/changed" "$shared/many.toml"
expect 5 "isn't in the plan" "$program" submit "$shared/many.toml" --profile-file "$shared/held.toml"
expect 0 "cancelled" "$program" cancel "$shared/many.toml"
wait_for 20 "the queue is empty" is_idle

echo "== 20 cells, and what happens to them"
"$program" submit "$shared/grid.toml"
wait_for 60 "tasks train" running 4
# Without its lock on the file, another submission would train these cells too.
expect 0 "nothing to submit" "$program" submit "$shared/grid.toml"
wait_for 120 "a cell is done" has_results 1

# A task of a partition with a higher priority takes a node, and its tasks come back.
sbatch --quiet --partition=high --nodelist=n1 --exclusive --output=/dev/null --wrap='sleep 1'
echo "preempted: the tasks of n1"
sleep 2

"$cluster" kill slurmctld
echo "killed: slurmctld"
sleep 2
"$cluster" start slurmctld

wait_for 40 "tasks train after the controller came back" running 2

# A task that is killed isn't put back by Slurm. A controller that is killed forgets its last seconds, and would put it back, so that
# came first. The node isn't n1, whose tasks were preempted.
is_gone() { squeue --noheader --array --format='%F_%K|' >"$work/queue" 2>/dev/null && ! grep -qF "$killed|" "$work/queue"; }
# A task may end just when it is chosen, so that another one is.
finds_a_process() {
  local task node folder
  while read -r task node _; do
    for folder in /proc/[0-9]*; do
      if { grep -qxz "SLURM_ARRAY_TASK_ID=${task#*_}" "$folder/environ" && [ "$(cat "$folder/comm")" = emberline ]; } 2>/dev/null; then
        killed="$task" its_node="$node" id="${folder#/proc/}"
        return 0
      fi
    done
  done < <(squeue --noheader --array --states=RUNNING --format='%F_%K %N %j' 2>/dev/null | awk '$2 != "n1" && /-train/')
  return 1
}
# A task that began beside the killed controller waits before it tries again.
wait_for 120 "a task that trains is found" finds_a_process
kill -KILL "$id"
echo "killed: task $killed"
wait_for 20 "Slurm notes that the task has ended" is_gone

lost="$(squeue --noheader --states=RUNNING --format=%N --partition=low | grep -vx "n1\|$its_node" | head -n 1)"
[ -n "$lost" ] || fail "no node trains any more: make the cells longer with EMBERLINE_SLURM_EPOCHS"
"$cluster" kill "$lost"
echo "killed: node $lost"
wait_for 40 "the node is noticed to be lost" sh -c "sinfo --noheader --nodes=$lost --format=%T | grep -q down"
"$cluster" start "$lost"

# What preempted them has done its part; where its node was lost meanwhile, it would wait for it.
scancel --partition=high
wait_for 150 "the queue is empty" is_idle_or_released
log="$shared/runs/grid/submit/1/logs"
grep -h "Exited\|Terminated\|requeue\|PREEMPT\|NODE FAIL" "$log"/*.log | sort | uniq -c | sort -rn | head -n 8 || true
grep -q "missing" "$log/report.log" || fail "the report doesn't say that the killed task's cell is missing"
[ "$(results)" = 19 ] || fail "$(results) of 20 cells are done; only the killed task's may be missing"

echo "== what is missing is submitted again, and nothing else"
"$program" submit "$shared/grid.toml" >"$work/again"
cat "$work/again"
grep -qE '^train[^ ]* +[0-9]+ +1 +1$' "$work/again" || fail "other cells than the missing one were submitted"
wait_for 90 "the queue is empty" is_idle
"$program" status "$shared/grid.toml" | grep -q "20 cells: 20 done" || fail "$("$program" status "$shared/grid.toml")"
"$program" logs "$shared/grid.toml" report | grep -q "report:" || fail "the second report failed"
! grep -q "missing" "$shared/runs/grid/submit/2/logs/report.log" || fail "the second report misses cells"

echo "== the bytes of a local run"
mkdir "$work/local" && cp -r "$shared"/{grid.toml,texts.csv,bert} "$work/local/"
local_run() { EMBERLINE_CACHE_DIR="$work/local/cache" "$program" run "$work/local/$1.toml" --device cpu --quiet >/dev/null; }
local_run grid
bytes() {
  (cd "$1" && find . -path './*/attempts' -prune -o \( -name '*.safetensors' -o -name cell.toml -o -name history.csv \) -print | sort | while read -r file; do
    case "$file" in
      */history.csv) awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "seconds") at = i } NR > 1 && at { $at = 0 } { print }' "$file" ;;
      *) cat "$file" ;;
    esac | sha256sum | sed "s|-|$file|"
  done)
}
# Fails unless a grid of so many cells came to the bytes of a local run: `same GRID CELLS`.
same() {
  bytes "$work/local/runs/$1/cells" >"$work/bytes-local"
  bytes "$shared/runs/$1/cells" >"$work/bytes-cluster"
  [ "$(grep -c model.safetensors "$work/bytes-local")" = "$2" ] || fail "the local run isn't whole"
  diff "$work/bytes-local" "$work/bytes-cluster" || fail "the cluster's results differ from the local run's"
}
same grid 20
echo "20 of 20 cells are done, with the bytes of a local run"

echo "== without a step, in a wrapper, until the time is over"
# A cell of a minute, by the pace of this machine.
grid pace 4000 '["words"]' 1 >"$work/local/pace.toml"
local_run pace
pace="$(sed -n 's/^ *"seconds": \([0-9.]*\),*$/\1/p' "$work"/local/runs/pace/cells/*/result.json | head -n 1)"
grid long "$(awk -v pace="$pace" 'BEGIN { printf "%d", 4000 * 60 / pace }')" '["words"]' 1 >"$shared/long.toml"
cp "$shared/long.toml" "$work/local/"
# A container's program execs too, and finds `emberline` in its own path.
cat >"$shared/wrapper" <<SH
#!/bin/sh
echo "\$1 restarts=\${SLURM_RESTART_COUNT:-0} step=\${SLURM_STEP_ID:-none}" >>"$shared/wrapped"
shift
PATH="$shared:\$PATH" exec "\$@"
SH
chmod +x "$shared/wrapper"
# Slurm looks at the times of tasks every half minute: with a minute in all it signals this one 10 to 40 s after it began.
{
  echo "wrapper = [\"$shared/wrapper\", \"its own option\"]"
  profile ', "--time=1"' | sed 's/^grace_s.*/grace_s = 20\nstep = "none"/'
} >"$shared/long-profile.toml"
export EMBERLINE_PROFILE="$shared/long-profile.toml"
"$program" submit "$shared/long.toml"
grep -q '^#SBATCH --signal=B:TERM@20$' "$shared/runs/long/submit/1/train.sh" || fail "Slurm isn't asked to signal the shell"
wait_for 150 "the task comes back after its time was over" grep -q 'restarts=1 ' "$shared/wrapped"
local_run long &
wait_for 900 "the queue is empty" is_idle
wait $!
sort "$shared/wrapped" | uniq -c
! grep -qv '^its own option restarts=[0-9]* step=none$' "$shared/wrapped" || fail "the wrapper wasn't called as it should be"
"$program" status "$shared/long.toml" | grep -q "1 cells\?: 1 done" || fail "$("$program" status "$shared/long.toml")"
grep -q '"attempt": 1,' "$shared"/runs/long/cells/*/result.json && fail "the task was never interrupted"
same long 1
echo "1 of 1 cell is done after $(($(grep -c 'restarts=[1-9]' "$shared/wrapped"))) interruptions, with the bytes of a local run"
