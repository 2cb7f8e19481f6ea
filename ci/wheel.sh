#!/usr/bin/env bash
# Packs the program into a Python wheel, installs it in an environment of its own without the network, and runs it there.
# EMBERLINE names a program that is built already; otherwise the one that tests use is built.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh

if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  skip python "the Python wheel: there is no python3 with venv (Debian: python3-venv)"
  exit 0
fi

program="${EMBERLINE:-}"
if [ -z "$program" ]; then
  # In the words of ci/test.sh, so that nothing is built a second time with other features of the same dependencies.
  cargo test --workspace --no-run --locked --quiet
  program="$(realpath "${CARGO_TARGET_DIR:-target}")/debug/emberline"
fi

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
# Most of a program that tests use is for debuggers, and takes minutes to compress.
if [ -z "${EMBERLINE:-}" ] && command -v strip >/dev/null; then
  strip -o "$folder/emberline" "$program"
  program="$folder/emberline"
fi
wheel="$(python3 ci/wheel.py "$program" --output "$folder")"
[ "$(sha256sum < "$wheel")" = "$(sha256sum < "$(python3 ci/wheel.py "$program" --output "$folder/again")")" ] ||
  { echo "ci/wheel.sh: the same program gives two wheels" >&2; exit 1; }
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-index --disable-pip-version-check "$wheel"
cmp "$program" "$folder/env/bin/emberline"
(cd "$folder" && env/bin/emberline init mine >/dev/null && env/bin/emberline check mine/pipeline.toml)
"$folder/env/bin/pip" uninstall --quiet --yes emberline
[ ! -e "$folder/env/bin/emberline" ] || { echo "ci/wheel.sh: the program stays after pip uninstall" >&2; exit 1; }
echo "$(basename "$wheel"): installed, run and removed"
