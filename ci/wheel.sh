#!/usr/bin/env bash
# Packs the program that the tests run into a wheel (ci/wheel.py), installs it with pip in an empty environment, without the
# network, and makes the quickstart's plan with it. ci/release.sh packs the released program in the same way.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}"
cargo test --workspace --no-run --locked --quiet
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
wheel="$(python3 ci/wheel.py "$target/debug/emberline" "$work" --platform "linux_$(uname -m)")"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-index "$wheel"
"$work/venv/bin/emberline" plan pipelines/quickstart.toml --out "$work/run" >/dev/null
"$work/venv/bin/python" -m emberline --version
"$work/venv/bin/pip" uninstall --quiet --yes emberline
[ ! -e "$work/venv/bin/emberline" ] || { echo "error: pip left the program" >&2; exit 1; }
