#!/usr/bin/env bash
# All checks, cheapest first: format, lints, documentation, tests. The same here and in CI.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

step cargo fmt --all --check
step cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" step cargo doc --workspace --no-deps --document-private-items --locked --quiet
step cargo test --workspace --locked
