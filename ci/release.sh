#!/usr/bin/env bash
# Makes a release: ci/release.sh VERSION [TRIPLE]
#
# Sets the version of the workspace and of the fuzzers, builds the program with the profile `dist`, statically linked, so that it
# needs no library of the system, proves with it the lock of the quickstart, and leaves emberline-VERSION-TRIPLE.tar.gz (the
# program, manual pages, completions, documentation), a Python wheel that holds the program, and their SHA-256 in
# target/release-VERSION. The commit, the tag and the upload are yours: the last lines printed say how.
#
# TRIPLE is this machine's when left out.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "ci/release.sh: $*" >&2; exit 1; }

version="${1:-}"
[[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "name the version: ci/release.sh 0.2.0"
[ -z "$(git status --porcelain)" ] || fail "the working tree has changes that aren't committed"
grep -q "^## \[\?$version\]\?" CHANGELOG.md || fail "CHANGELOG.md has no section '## $version'; rename 'Unreleased' and give the date"

for manifest in Cargo.toml tests/fuzz/Cargo.toml; do
    sed -i "0,/^version = \".*\"/s//version = \"$version\"/" "$manifest"
done
cargo update --workspace --offline --quiet
cargo update --workspace --offline --quiet --manifest-path tests/fuzz/Cargo.toml

target="${CARGO_TARGET_DIR:-target}"
triple="${2:-$(rustc -vV | sed -n 's/^host: //p')}"
# With --target, the flags aren't those of build scripts and macros.
RUSTFLAGS="-C target-feature=+crt-static" cargo build --profile dist --locked --package emberline-cli --target "$triple"
program="$target/$triple/dist/emberline"
[ "$("$program" --version)" = "emberline $version" ] || fail "the program says $("$program" --version)"
EMBERLINE="$program" ci/reproduce.sh "$target/reproduce.xml"

name="emberline-$version-$triple"
out="$target/release-$version"
rm -rf "${out:?}/$name"
mkdir -p "$out/$name"
cp -r "$program" README.md CHANGELOG.md LICENSE LICENSE-APACHE LICENSE-MIT docs schemas "$out/$name/"
"$program" man "$out/$name/man" >/dev/null
for shell in bash elvish fish powershell zsh; do
  mkdir -p "$out/$name/completions"
  "$program" completions "$shell" > "$out/$name/completions/emberline.$shell"
done
# Equal content gives equal bytes, whoever makes the archive and when.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct)" -C "$out" -cf - "$name" | gzip -n > "$out/$name.tar.gz"
wheel="$(python3 ci/wheel.py "$program" --output "$out")"
for file in "$name.tar.gz" "$(basename "$wheel")"; do (cd "$out" && sha256sum "$file" > "$file.sha256"); done

cat <<END
$out/$name.tar.gz ($(stat -c %s "$program") bytes unpacked)
$wheel
Commit the version and tag it:
  git commit -am "release $version" && git tag -a v$version -m "Emberline $version"
END
