#!/usr/bin/env bash
# Builds and lints the GPU backends, and tests them on a software Vulkan device: correctness, not speed. What the quickstart's lock says
# of the processor must come out within its tolerance.
set -euo pipefail
cd "$(dirname "$0")/.."
source ci/skip.sh

if ! ls /usr/share/vulkan/icd.d/lvp_icd*.json >/dev/null 2>&1; then
  skip vulkan "GPU backends: there is no software Vulkan device; install mesa-vulkan-drivers"
  exit 0
fi
export VK_ICD_FILENAMES=$(ls /usr/share/vulkan/icd.d/lvp_icd*.json | head -n 1)
packages=(train encoder pipeline)
with=("${packages[@]/#/--package=emberline-}" --features "$(printf 'emberline-%s/gpu,' "${packages[@]}")" --locked)
cargo clippy "${with[@]}" --all-targets -- -D warnings
cargo test "${with[@]}" --test devices --test resume
