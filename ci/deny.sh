#!/usr/bin/env bash
# Licences, sources and known vulnerabilities of all dependencies, by deny.toml. Installs cargo-deny where it isn't there.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh

tools="${XDG_CACHE_HOME:-$HOME/.cache}/emberline-ci/cargo-deny"
export PATH="$tools/bin:$PATH"
if ! command -v cargo-deny >/dev/null &&
  ! env -u CARGO_TARGET_DIR cargo install --debug cargo-deny --version '^0.20' --locked --quiet --root "$tools"; then
  skip cargo-deny "licences, sources and advisories of dependencies: cargo-deny can't be installed"
  exit 0
fi
# Without the warnings, which are of crates that come in two versions.
deny() { cargo deny --locked --log-level error "$@"; }
deny check licenses bans sources
if timeout 120 cargo deny --locked fetch db >/dev/null 2>&1; then
  deny --offline check advisories
else
  skip advisories "advisories of dependencies: the database, RustSec/advisory-db on GitHub, can't be reached"
fi
