#!/usr/bin/env bash
# Injects faults of the system into every command that touches files, and demands that nothing is lost or half written.
#
#   ci/faults.sh [COUNT] [SEED]       200 faults by default; the same seed draws the same ones
#
# A fault is one errno (ENOSPC, EIO, EACCES, EMFILE, EDQUOT) that strace returns for the n-th call of one kind (write,
# openat, rename, fsync, read, mkdir) in one command. Required of each:
#
# - the command ends with an exit code of its own, never by a panic (101) or a signal (134, 139), and says why if it isn't 0;
# - no file under its final name is a part of one;
# - the same command, run again undisturbed, comes to the bytes that it comes to where nothing happened, times aside. A cell
#   that failed for the fault is trained again by a plain run, without `--retry-failed`;
# - no temporary file is left then.
#
# EMBERLINE_BINARY names a built program; else the dev build is made.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh

count="${1:-200}"
RANDOM="${2:-1}"

if ! command -v strace >/dev/null && ! { apt-get install -y strace >/dev/null 2>&1 && command -v strace >/dev/null; }; then
  skip strace "injected faults: strace isn't there and can't be installed"
  exit 0
fi
if ! strace -o /dev/null true 2>/dev/null; then
  skip strace "injected faults: strace may not trace here"
  exit 0
fi

program="${EMBERLINE_BINARY:-}"
if [ -z "$program" ]; then
  cargo build --locked --quiet
  program="${CARGO_TARGET_DIR:-target}/debug/emberline"
fi
program="$(realpath "$program")"
fixtures="$(realpath crates/encoder/tests/fixtures)"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

# The folder that commands are run in: data, word vectors, an encoder, a pipeline of four cells.
prepare() {
  mkdir -p "$1/tmp"
  {
    echo text,label
    for n in $(seq 60); do echo "word$((n % 7)) other$((n % 5)) text $n,$((n % 2))"; done
  } >"$1/texts.csv"
  for n in $(seq 0 9); do echo "word$n 0.$n -0.5 0.25"; done >"$1/vectors.txt"
  cut -d, -f1 "$1/texts.csv" | head -20 >"$1/lines.txt"
  cat >"$1/p.toml" <<TOML
name = "faults"
[data]
path = "texts.csv"
text = "text"
label = "label"
[embedding.words.word_vectors]
path = "vectors.txt"
[embedding.bert.sentence_transformer]
path = "$fixtures/bert"
[train]
epochs = 2
[callbacks.csv_logger]
[grid]
embedding = ["words", "bert"]
seed = [1, 2]
TOML
}

commands=(run lock verify report fetch embed cache)
arguments() {
  case "$1" in
    run) echo run p.toml --jobs 1 --device cpu ;;
    lock) echo lock p.toml ;;
    verify) echo verify p.toml --jobs 1 --device cpu --junit junit.xml ;;
    report) echo report runs/faults ;;
    fetch) echo fetch p.toml --offline ;;
    embed) echo embed sentence_transformer "$fixtures/bert" --input lines.txt --format npy --output out.npy --device cpu ;;
    cache) echo cache gc --max-size 1GB ;;
    check) echo cache verify ;;
  esac
}

# Runs a command in a folder: `in_folder FOLDER COMMAND [WRAPPER...]`.
in_folder() {
  local folder="$1" command="$2"
  shift 2
  local words
  read -ra words <<<"$(arguments "$command")"
  (cd "$folder" && EMBERLINE_CACHE_DIR=cache TMPDIR="$PWD/tmp" "$@" "$program" "${words[@]}")
}

# Every result of a folder with its hash, times made 0. Sums and reports, which hold times too, are left out, and so is the
# cache: what can't be kept costs time alone.
results() {
  (
    cd "$1"
    { find runs p.lock out.npy junit.xml -type f 2>/dev/null || true; } |
      grep -Ev '(SHA256SUMS|report\.(html|md)|runs/faults/summary\.csv)$' | LC_ALL=C sort |
      while read -r file; do
        case "$file" in
          *.json | *.jsonl) sed -E 's/"seconds": ?[0-9.eE+-]+/"seconds": 0/g' "$file" ;;
          */history.csv)
            awk -F, -v OFS=, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "seconds") at = i }
              NR > 1 && at { $at = 0 } { print }' "$file" ;;
          *.xml) sed -E 's/ time="[0-9.]+"//g' "$file" ;;
          *) cat "$file" ;;
        esac | sha256sum | sed "s|-|$file|"
      done
  )
}

# Files under a final name that aren't whole: JSON and TOML that end early, a lock or an output that isn't the whole one.
halves() {
  local name
  (cd "$1" && { find runs -name '*.json' -type f 2>/dev/null || true; } | while read -r file; do
    [ "$(tail -c 2 "$file" | tr -d '\n')" = "}" ] || echo "$file"
  done)
  for name in p.lock out.npy; do
    [ ! -e "$1/$name" ] || cmp -s "$1/$name" "$work/final/$name" || echo "$name"
  done
}

litter() { find "$1" -name '.emberline-*' -o -name 'checkpoint.safetensors'; }

# The state before each command, and what all of them come to undisturbed.
prepare "$work/final"
for command in "${commands[@]}"; do
  cp -a "$work/final" "$work/before-$command"
  in_folder "$work/final" "$command" >"$work/out" 2>&1 || {
    cat "$work/out"
    echo "undisturbed: $command fails" >&2
    exit 1
  }
  results "$work/final" >"$work/expected-$command"
done

calls=(write openat rename fsync read mkdir)
names() {
  case "$1" in
    rename) echo rename,renameat,renameat2 ;;
    mkdir) echo mkdir,mkdirat ;;
    fsync) echo fsync,fdatasync ;;
    *) echo "$1" ;;
  esac
}

# How often the main thread makes each call, after the program itself has been loaded: strace counts by thread.
declare -A first last
for command in "${commands[@]}"; do
  for call in "${calls[@]}"; do
    rm -rf "$work/trial"
    cp -a "$work/before-$command" "$work/trial"
    in_folder "$work/trial" "$command" strace -f -qq -o "$work/log" -e "trace=$(names "$call"),sigaltstack" >/dev/null 2>&1
    # The standard library calls sigaltstack first of all; what the loader does before isn't the program's.
    read -r begin end < <(awk 'NR == 1 { main = $1 } $1 == main && /sigaltstack/ && !seen { seen = 1; begin = n }
      $1 == main && !/sigaltstack/ && !/resumed/ { n++ } END { print begin + 0, n + 0 }' "$work/log")
    first[$command.$call]=$((begin + 1))
    last[$command.$call]=$end
  done
done

errors=(ENOSPC EIO EACCES EMFILE EDQUOT)
declare -A codes
done_so_far=0 failures=0 drawn=0
while [ "$done_so_far" -lt "$count" ]; do
  drawn=$((drawn + 1))
  if [ "$drawn" -gt $((count * 50)) ]; then
    echo "only $done_so_far of $count faults could be injected" >&2
    exit 1
  fi
  command="${commands[RANDOM % ${#commands[@]}]}" call="${calls[RANDOM % ${#calls[@]}]}" error="${errors[RANDOM % ${#errors[@]}]}"
  from="${first[$command.$call]}" to="${last[$command.$call]}"
  [ "$to" -ge "$from" ] || continue
  at=$((from + RANDOM % (to - from + 1)))
  rm -rf "$work/trial"
  cp -a "$work/before-$command" "$work/trial"
  code=0
  in_folder "$work/trial" "$command" strace -f -qq -o "$work/log" -e "trace=$(names "$call")" \
    -e "inject=$(names "$call"):error=$error:when=$at" >"$work/out" 2>"$work/err" || code=$?
  grep -q INJECTED "$work/log" || continue
  done_so_far=$((done_so_far + 1))
  codes[$command $code]=$((${codes[$command $code]:-0} + 1))
  fault="$command: $error at call $at of $call"
  complain() {
    failures=$((failures + 1))
    echo "FAILED $fault: $1" >&2
    sed 's/^/    /' "${2:-$work/err}" | head -8 >&2
  }
  [ "$code" -lt 100 ] || complain "exit code $code"
  grep -q 'panicked at' "$work/err" && complain "a panic is printed"
  # A message can't be asked for where standard error itself is what failed.
  [ "$code" -eq 0 ] || [ -s "$work/err" ] || grep -q 'write(2,.*INJECTED' "$work/log" || complain "exit code $code without a word"
  half="$(halves "$work/trial")"
  [ -z "$half" ] || complain "half written: $half"
  again=0
  in_folder "$work/trial" "$command" >"$work/out" 2>"$work/again" || again=$?
  [ "$again" -eq 0 ] || complain "run again, it ends with $again" "$work/again"
  results "$work/trial" >"$work/found"
  cmp -s "$work/found" "$work/expected-$command" || {
    diff "$work/expected-$command" "$work/found" >"$work/differs" || true
    complain "run again, it comes to other bytes" "$work/differs"
  }
  in_folder "$work/trial" check >"$work/out" 2>"$work/again" || complain "the cache is damaged" "$work/again"
  left="$(litter "$work/trial")"
  [ -z "$left" ] || complain "left behind: $left"
done

for code in "${!codes[@]}"; do echo "${codes[$code]} x $code"; done | sort -k3 | sed -E 's/(.*) x (.*) (.*)/\2: exit code \3, \1 times/'
echo "$done_so_far faults injected, $failures requirements missed"
[ "$failures" -eq 0 ]
