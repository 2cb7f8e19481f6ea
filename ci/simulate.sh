#!/usr/bin/env bash
# Simulates experiments whose truth is known, and holds the answers to their bands: error rates, coverage, power.
# Takes some minutes and prints the figures of each band. Arguments go to the test binary: a name to filter by.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --release --locked -p emberline-statistics --test bands -- --include-ignored --nocapture "$@"
