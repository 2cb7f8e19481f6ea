#!/usr/bin/env bash
# Proves the lock of the quickstart: every cell is trained again and compared with pipelines/quickstart.lock.
# ci/reproduce.sh [JUNIT FILE]; EMBERLINE names a program that is built already.
#
# On the kind of processor that the lock was made on, weights and metrics must be equal to the byte; on another, the metrics
# within the lock's tolerance. Exit codes: 0 proved, 5 lock stale, 6 a result differs, 7 a cell failed, 8 an asset differs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${EMBERLINE:-}" ]; then program=("$EMBERLINE"); else program=(cargo run --release --locked --quiet --); fi
"${program[@]}" lock pipelines/quickstart.toml --check
exec "${program[@]}" verify pipelines/quickstart.toml --junit "${1:-target/reproduce.xml}"
