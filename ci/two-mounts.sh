#!/usr/bin/env bash
# Runs a grid on two machines that see one folder through caches of their own, as on a network file system: two FUSE mounts (sshfs,
# whose server is a process beside it) at the same path, each in a mount namespace of its own. For ten seconds a mount goes on seeing
# names, attributes and the absence of files as they were, and a lock that one takes doesn't reach the other.
#
# One mount trains the cells of a submission while the other looks on, and writes the report at once: by the manifest, waiting for
# records that it doesn't see yet. Then both train the same cells at the same time. The bytes are those of a local run.
#
# EMBERLINE_BINARY names a built program; else the dev build is made.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh

sftp=/usr/lib/openssh/sftp-server
has_fuse() { command -v sshfs nsenter >/dev/null && [ -x "$sftp" ]; }
if [ "$(id -u)" != 0 ] || [ ! -e /dev/fuse ] || ! unshare --mount true 2>/dev/null; then
  skip fuse "two mounts of one folder: mounting needs root, /dev/fuse and mount namespaces"
  exit 0
fi
if ! has_fuse && ! { apt-get install -y --no-install-recommends sshfs openssh-sftp-server >/dev/null 2>&1 && has_fuse; }; then
  skip fuse "two mounts of one folder: sshfs and openssh-sftp-server aren't there and can't be installed"
  exit 0
fi

program="${EMBERLINE_BINARY:-}"
if [ -z "$program" ]; then
  # In the words of ci/test.sh, so that nothing is built a second time with other features of the same dependencies.
  cargo test --workspace --no-run --locked --quiet
  program="${CARGO_TARGET_DIR:-target}/debug/emberline"
fi
program="$(realpath "$program")"
fixtures="$PWD/crates/encoder/tests/fixtures"

work="$(mktemp -d)"
real="$work/real" shared="$work/shared"
mkdir -p "$real" "$shared" "$work/bin" "$work/local"
holders=()
finish() {
  # A namespace's mount ends with its last process.
  for holder in "${holders[@]}"; do kill "$holder" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

fail() {
  echo "error: $*" >&2
  tail -n 20 "$work"/*.log >&2 2>/dev/null || true
  exit 1
}

printf '#!/bin/sh\nexec %s\n' "$sftp" >"$work/bin/server"
# Slurm's commands, as far as `submit` needs them: nothing is queued, and the tasks are started below.
stub() { printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"; }
stub sbatch "[ \"\$1\" = --test-only ] || { echo \$\$; }"
stub squeue true
stub scontrol "echo MaxArraySize = 1001"
stub scancel true
stub srun "exit 1"
chmod +x "$work"/bin/*

# Starts a namespace with the shared folder mounted in it.
mounted() {
  # The shell's own words: its id and then its commands.
  # shellcheck disable=SC2016
  unshare --mount --propagation private sh -c '
    sshfs -f -o "ssh_command=$1/bin/server,attr_timeout=10,entry_timeout=10,negative_timeout=10,dcache_timeout=10" \
      "localhost:$1/real" "$1/shared" &
    trap "kill $! 2>/dev/null" EXIT
    trap "exit 0" TERM
    while :; do sleep 1 & wait $!; done' sh "$work" >>"$work/mount.log" 2>&1 &
  holders+=($!)
  for _ in $(seq 50); do
    ! nsenter --target "$!" --mount mountpoint -q "$shared" || return 0
    sleep 0.1
  done
  fail "sshfs can't mount"
}
on() {
  local holder="${holders[$1]}"
  shift
  nsenter --target "$holder" --mount env PATH="$work/bin:$PATH" EMBERLINE_CACHE_DIR="$shared/cache" "$@"
}
mounted
mounted

{
  echo text,label
  for n in $(seq 240); do echo "word$((n % 7)) other$((n % 5)) text $n,$((n * 7 % 3 % 2))"; done
} >"$real/texts.csv"
cp -r "$fixtures/bert" "$real/bert"
cat >"$real/grid.toml" <<'TOML'
name = "grid"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.words.hashing]
dim = 8
[embedding.bert.sentence_transformer]
path = "bert"
[head]
layers = [{ dense = 32 }]
[train]
epochs = 1000
[callbacks.tensorboard]
[grid]
embedding = ["bert", "words"]
seed = [1, 2, 3]
TOML
cat >"$real/profile.toml" <<TOML
executor = "slurm"
shared_dir = "$shared"
program = "emberline"
device = "cpu"
[slurm]
cells_per_task = 3
TOML
cp -r "$real"/{texts.csv,bert,grid.toml} "$work/local/"

echo "== the mounts are caches, and locks don't reach the other"
on 1 test ! -e "$shared/late"
on 0 touch "$shared/late"
on 1 test ! -e "$shared/late" || fail "the second mount sees a new file at once: nothing is cached"
on 0 flock "$shared/bert" sleep 2 &
sleep 0.5
on 1 flock --nonblock "$shared/bert" true || fail "a lock reaches the other mount"
wait $!

echo "== one trains, the other looks on and gathers"
on 0 "$program" submit "$shared/grid.toml" --profile-file "$shared/profile.toml" >"$work/submit.log" 2>&1 || fail "submit"
manifest="$shared/runs/grid/submit/1/manifest.json"
task() {
  local machine="$1" job="$2" index="$3" log="$4"
  on "$machine" env SLURM_ARRAY_TASK_ID="$index" SLURM_ARRAY_JOB_ID=1 EMBERLINE_NODE="n$machine" "$program" task "$manifest" "$job" >>"$log" 2>&1
}
task 0 embed-bert 0 "$work/embed.log" || fail "embedding"
{ task 0 train-bert 0 "$work/train.log" && task 0 train 0 "$work/train.log"; } &
trains=$!
# What it sees of the cells is remembered as it was.
while kill -0 "$trains" 2>/dev/null; do
  on 1 "$program" status "$shared/grid.toml" >>"$work/status.log" 2>&1 || fail "status"
done
wait "$trains" || fail "training"
begun=$SECONDS
task 1 report 0 "$work/report.log" || fail "the report misses cells, or failed"
echo "the report was there $((SECONDS - begun)) s after the last cell"

echo "== the bytes of a local run"
(cd "$work/local" && EMBERLINE_CACHE_DIR="$work/local/cache" "$program" run grid.toml --device cpu --quiet) >"$work/local.log" 2>&1 || fail "the local run"
bytes() {
  (cd "$1" && find . -path './*/attempts' -prune -o \( -name '*.safetensors' -o -name cell.toml -o -name history.csv \) -print | sort | while read -r file; do
    case "$file" in
      */history.csv) awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "seconds") at = i } NR > 1 && at { $at = 0 } { print }' "$file" ;;
      *) cat "$file" ;;
    esac | sha256sum | sed "s|-|$file|"
  done)
}
bytes "$work/local/runs/grid/cells" >"$work/bytes-local"
[ "$(grep -c model.safetensors "$work/bytes-local")" = 6 ] || fail "the local run isn't whole"
same() {
  bytes "$real/runs/grid/cells" >"$work/bytes-shared"
  diff "$work/bytes-local" "$work/bytes-shared" || fail "$1: the results differ from the local run's"
}
same "trained on one mount"
on 1 grep -q '6 cells: 6 done' <(on 1 "$program" status "$shared/grid.toml") || fail "the second mount doesn't see all cells"

echo "== two live copies of a task"
rm -rf "$real/runs"
sleep 10
on 0 "$program" submit "$shared/grid.toml" --profile-file "$shared/profile.toml" >>"$work/submit.log" 2>&1 || fail "submit"
copies=()
# Both have looked for records, and go on seeing none.
for machine in 0 1; do on "$machine" "$program" status "$shared/grid.toml" >>"$work/status.log" 2>&1 || fail "status"; done
for machine in 0 1; do
  task "$machine" train-bert 0 "$work/copy-$machine.log" &
  copies+=($!)
done
for copy in "${copies[@]}"; do wait "$copy" || fail "a copy of a task"; done
trained="$(awk '/ trained, / { sum += $1 } END { print sum + 0 }' "$work"/copy-*.log)"
echo "of 3 cells, both copies together trained $trained"
[ "$trained" -gt 3 ] || fail "the copies didn't train at the same time"
task 0 train 0 "$work/train.log" || fail "training"
# What each of them has seen of the other's is forgotten.
sleep 10
task 1 report 0 "$work/report.log" || fail "the second report"
same "trained twice at the same time"
ls "$real"/runs/grid/cells/bert-*/attempts | grep -qx 2 || fail "no cell has two attempts"
# What TensorBoard reads is the log of the attempt that counts, whole: its files, and no other's.
for cell in "$real"/runs/grid/cells/*; do
  attempt="$(sed -n 's/^  "attempt": \([0-9]*\),*$/\1/p' "$cell/result.json")"
  name="$(basename "$cell")"
  diff -r "$cell/attempts/$attempt/tensorboard" "$real/runs/grid/tensorboard/${name%-*}" || fail "$name: another log is shown than that of attempt $attempt"
done
echo "6 of 6 cells are done, with the bytes of a local run"
