#!/usr/bin/env bash
# Simulates experiments whose truth is known, and holds the answers to their bands: error rates, coverage, power. Then draws data sets
# with planted faults and clean ones, and holds the checks of data to theirs: what is found, false alarms.
# Takes some minutes and prints the figures of each band. Arguments go to the test binaries: a name to filter by.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --release --locked -p emberline-statistics --test bands -- --include-ignored --nocapture "$@"
cargo test --release --locked -p emberline-checks --test bands -- --include-ignored --nocapture "$@"
