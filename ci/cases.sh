#!/usr/bin/env bash
# Runs the cases of tests/cases: inputs that once gave a wrong number, lost a row or misled without a word.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --locked --workspace --test end_to_end -- cases:: "$@"
