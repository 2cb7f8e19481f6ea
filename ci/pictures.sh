#!/usr/bin/env bash
# Makes the README's pictures from the quickstart: docs/images/report.png, the first screen of its report in Chromium, and
# docs/images/run.svg, a recording of the run in a terminal.
#
#   ci/pictures.sh [EMBERLINE]     # EMBERLINE is a program that is built already
#
# Needs chromium and asciinema (Debian), and svg-term (npm install -g svg-term-cli). By hand, when either has changed: pictures of
# two runs differ in their times, so no check compares them.
set -euo pipefail
cd "$(dirname "$0")/.."

program="${1:-}"
if [ -z "$program" ]; then
  cargo build --release --quiet --locked
  program="${CARGO_TARGET_DIR:-target}/release/emberline"
fi
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin" docs/images
ln -s "$(realpath "$program")" "$work/bin/emberline"
export PATH="$work/bin:$PATH" TERM=xterm-256color

asciinema rec --quiet --overwrite --cols 110 --rows 34 --idle-time-limit 2 --command \
  "printf '\$ emberline run pipelines/quickstart.toml\n'; sleep 1; emberline run pipelines/quickstart.toml --out '$work/run'; sleep 4" "$work/run.cast"
# The folder of this recording is nobody's.
sed -i "s#$work/run#pipelines/runs/quickstart#g" "$work/run.cast"
svg-term --in "$work/run.cast" --out docs/images/run.svg --window --no-cursor

chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update --disable-sync \
  --hide-scrollbars --user-data-dir="$work/profile" --window-size=1200,1160 --screenshot="$PWD/docs/images/report.png" "file://$work/run/report.html" 2>/dev/null
ls -l docs/images
