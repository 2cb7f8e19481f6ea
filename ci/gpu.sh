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
# The whole workspace is named, as everywhere in CI, so that other dependencies keep their features and aren't built again.
with=(--workspace --features emberline-train/gpu,emberline-encoder/gpu,emberline-pipeline/gpu --locked)
cargo clippy "${with[@]}" --all-targets -- -D warnings
cargo test "${with[@]}" --test devices
cargo test "${with[@]}" --test train -- devices:: resume::
