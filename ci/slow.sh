#!/usr/bin/env bash
# The slow tier of checks: what takes long, or needs more than Rust and a C compiler. Documentation, the
# wheel, dependencies, GPU backends, a real Slurm, mounts with caches of their own, fuzzers. What can't be checked on this machine is skipped, visibly (ci/skip.sh).
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh

step() { printf '\n== %s\n' "$*"; "$@"; }

RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" step cargo doc --workspace --no-deps --document-private-items --locked --quiet
step ci/book.sh
step ci/wheel.sh
step ci/deny.sh
step ci/gpu.sh
# Its faults race with what they strike, and a loaded machine may lose a race: what fails twice has failed.
step ci/slurm.sh || step ci/slurm.sh
step ci/two-mounts.sh || step ci/two-mounts.sh
# The fuzzers are a workspace of their own, which would break unseen; libFuzzer wants a C++ compiler.
if command -v c++ >/dev/null; then
  step cargo clippy --manifest-path tests/fuzz/Cargo.toml --all-targets --locked --quiet -- -D warnings
else
  skip cpp "lints of the fuzzers: there is no C++ compiler"
fi
