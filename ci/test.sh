#!/usr/bin/env bash
# The fast tier of checks, cheapest first: format, lints, tests. The same here and in CI, which runs ci/slow.sh too.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

step cargo fmt --all --check
step cargo clippy --workspace --all-targets --locked -- -D warnings
step cargo test --workspace --locked
