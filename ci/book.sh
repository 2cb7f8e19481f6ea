#!/usr/bin/env bash
# Builds the documentation as a book: target/book/index.html. Every page must be in docs/SUMMARY.md. mdBook is built once if it
# isn't on the path; where that can't be done the book is skipped, visibly.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh

for page in docs/*.md; do
  name="$(basename "$page")"
  [ "$name" = SUMMARY.md ] || grep -q "]($name)" docs/SUMMARY.md || { echo "error: docs/SUMMARY.md lacks $name" >&2; exit 1; }
done
tools="${XDG_CACHE_HOME:-$HOME/.cache}/emberline-ci/mdbook"
export PATH="$PATH:$tools/bin"
command -v mdbook >/dev/null ||
  CARGO_TARGET_DIR="$tools/target" cargo install --debug mdbook --version '^0.5' --locked --no-default-features --features search --root "$tools" --quiet || true
if command -v mdbook >/dev/null; then
  mdbook build docs
  test -s target/book/index.html
else
  skip mdbook "the documentation as a book: mdBook isn't there"
fi
