#!/usr/bin/env bash
# Fuzzes everything that reads files: ci/fuzz.sh [SECONDS] [TARGET...], each target SECONDS long (default 60), all of them by
# default (tests/fuzz/targets). Run on demand, not by ci/test.sh: the build alone takes minutes.
#
# Below ${XDG_CACHE_HOME:-$HOME/.cache}/emberline-fuzz each target has corpus/ (grown from the fixtures, kept), crashes/
# (inputs that failed, run again first) and log. To see one failure:
# RUST_BACKTRACE=1 RAYON_NUM_THREADS=1 <target folder>/<triple>/release/TARGET crashes/FILE
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=60
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi
targets=("$@")
if [ "${#targets[@]}" = 0 ]; then
  for file in tests/fuzz/targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

home="${XDG_CACHE_HOME:-$HOME/.cache}/emberline-fuzz"
build="${CARGO_TARGET_DIR:-$home/target}"
triple="$(rustc -vV | sed -n 's/^host: //p')"
mkdir -p "$home"

command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
# The coverage that libFuzzer is led by is an unstable option of the stable compiler, hence RUSTC_BOOTSTRAP.
RUSTC_BOOTSTRAP=1 cargo fuzz build --fuzz-dir tests/fuzz --sanitizer none --target-dir "$build"

# Seeds are the content's hash by name, so that a fixture that changes is one more. `named LINE FILE`: behind a first line.
keep() { local hash; hash="$(sha1sum < "$seed")"; mv "$seed" "$1/${hash%% *}"; }
plain() { cat "$2" > "$seed"; keep "$1"; }
named() { { printf '%s\n' "$2"; cat "$3"; } > "$seed"; keep "$1"; }
below() { # every file below a fixtures' folder's folders, behind its name
  local file
  find "$2" -mindepth 2 -type f ! -name 'golden*' | while read -r file; do named "$1" "${file#"$2"/}" "$file"; done
}

# What a target is led by at first, written to the folder $2.
seeds() {
  local file fixtures=crates/embedding/tests/fixtures
  case "$1" in
    pipeline_file) for file in pipelines/*.toml tests/suite/*/*.toml; do plain "$2" "$file"; done
      printf '%s\0seed=3\0head.hidden=[4]' "$(cat pipelines/quickstart.toml)" > "$seed"; keep "$2" ;;
    delimited)
      for file in tests/suite/*/*.csv; do named "$2" rows.csv "$file"; done
      tr , '\t' < tests/suite/check-data/tiny.csv > "$home/rows.tsv"; named "$2" rows.tsv "$home/rows.tsv"
      gzip -c tests/suite/check-data/tiny.csv > "$home/rows.csv.gz"; named "$2" rows.csv.gz "$home/rows.csv.gz"
      rm "$home/rows.tsv" "$home/rows.csv.gz" ;;
    jsonl) for file in tests/suite/*/*.jsonl tests/fuzz/seeds/*.jsonl; do named "$2" rows.jsonl "$file"; done ;;
    parquet) named "$2" rows.parquet tests/fuzz/seeds/rows.parquet ;;
    tfhub) below "$2" crates/savedmodel/tests/fixtures/models ;;
    model2vec) below "$2" "$fixtures/$1" ;;
    word_vectors)
      fixtures=crates/wordvectors/tests/fixtures
      for file in "$fixtures"/fasttext/*.{bin,ftz} "$fixtures"/finalfusion/*.fifu tests/suite/*/words.txt tests/fuzz/seeds/vectors.*; do
        plain "$2" "$file"
      done ;;
    elmo) for file in options.json weights.hdf5; do named "$2" "elmo/$file" "crates/encoder/tests/fixtures/elmo/$file"; done ;;
    sentence_transformer | onnx)
      below "$2" crates/encoder/tests/fixtures
      [ "$1" = onnx ] && other='model.safetensors' || other='onnx/.*'
      grep -l -a -m 1 "^elmo/\|^[a-z]*/$other\$" "$2"/* | xargs -r rm ;;
    archives) for file in tests/fuzz/seeds/archive.*; do plain "$2" "$file"; done ;;
    lock) plain "$2" tests/fuzz/seeds/small.lock ;;
    checkpoint) plain "$2" tests/fuzz/seeds/checkpoint.safetensors ;;
    model) plain "$2" tests/fuzz/seeds/model.safetensors ;;
    bundle) plain "$2" tests/fuzz/seeds/small.bundle ;;
    cache) plain "$2" tests/fuzz/seeds/segment.safetensors ;;
    records) { cat tests/fuzz/seeds/summary.json; printf '\0'; cat tests/fuzz/seeds/history.csv; } > "$seed"; keep "$2" ;;
  esac
}

seed="$home/seed"
failed=0
for target in "${targets[@]}"; do
  place="$home/$target"
  mkdir -p "$place/corpus" "$place/crashes"
  seeds "$target" "$place/corpus"
  limits=(-timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=100)
  RAYON_NUM_THREADS=1 "$build/$triple/release/$target" "$place/corpus" "$place/crashes" "${limits[@]}" -max_total_time="$seconds" \
    -artifact_prefix="$place/crashes/" -print_final_stats=1 > "$place/log" 2>&1 || true
  count() { grep -a "$1" "$place/log" | tail -n 1 | sed "s/.*$1 *\([0-9]*\).*/\1/" || true; }
  crashes="$(grep -a -c 'Test unit written to' "$place/log" || true)"
  # A run that neither crashed nor ended in order has failed too.
  grep -a -q '^Done ' "$place/log" || crashes=$((crashes > 0 ? crashes : 1))
  printf '%-21s %9s executions, coverage %6s, %s crashes\n' "$target" "$(count 'stat::number_of_executed_units:')" "$(count 'cov:')" "$crashes"
  if [ "$crashes" != 0 ]; then
    echo "  see $place/log"
    failed=1
  fi
done
exit "$failed"
