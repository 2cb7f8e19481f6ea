#!/usr/bin/env python3
"""Packs the program into a Python wheel, so that `pip install` puts `emberline` on the path.

    python3 ci/wheel.py PROGRAM FOLDER [--platform TAG]

The wheel holds the program itself, and a module of three lines for `python -m emberline`; no Python takes part when it
runs. PROGRAM should be the statically linked one that ci/release.sh builds, which runs on every Linux: that is what the
default tags say. Equal input gives equal bytes. Prints the path of the wheel.
"""
import argparse
import base64
import hashlib
import pathlib
import platform
import re
import subprocess
import sys
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
EXECUTABLE, PLAIN = 0o100755, 0o100644
MAIN = """import os, pathlib, sys, sysconfig

program = str(pathlib.Path(sysconfig.get_path("scripts")) / "emberline")
os.execv(program, [program, *sys.argv[1:]])
"""


def version_of(program):
    """The version that the program says, which must be that of the workspace."""
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    manifest = (ROOT / "Cargo.toml").read_text(encoding="utf-8")
    written = re.search(r'^version = "(.+)"', manifest, re.MULTILINE)[1]
    if said != written:
        sys.exit(f"{program} is of version {said}, Cargo.toml of {written}")
    return said


def metadata(version):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return (
        f"Metadata-Version: 2.4\nName: emberline\nVersion: {version}\n"
        "Summary: Compare pretrained text embeddings under trained heads, from one pipeline file, in one binary.\n"
        "License-Expression: MIT OR Apache-2.0\nLicense-File: LICENSE-MIT\nLicense-File: LICENSE-APACHE\n"
        f"Requires-Python: >=3.8\nDescription-Content-Type: text/markdown\n\n{readme}"
    )


def files(program, version, tags):
    """Every file of the wheel but RECORD: its name, its content and its mode."""
    info = f"emberline-{version}.dist-info"
    wheel = "Wheel-Version: 1.0\nGenerator: emberline\nRoot-Is-Purelib: false\n" + "".join(f"Tag: py3-none-{tag}\n" for tag in tags)
    yield "emberline/__init__.py", b"", PLAIN
    yield "emberline/__main__.py", MAIN.encode(), PLAIN
    yield f"emberline-{version}.data/scripts/emberline", pathlib.Path(program).read_bytes(), EXECUTABLE
    yield f"{info}/METADATA", metadata(version).encode(), PLAIN
    yield f"{info}/WHEEL", wheel.encode(), PLAIN
    for name in ("LICENSE-MIT", "LICENSE-APACHE"):
        yield f"{info}/licenses/{name}", (ROOT / name).read_bytes(), PLAIN


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("folder", type=pathlib.Path)
    machine = platform.machine()
    parser.add_argument("--platform", default=f"manylinux2014_{machine}.musllinux_1_1_{machine}", help="platform tags, divided by dots")
    options = parser.parse_args()
    version = version_of(options.program)
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / f"emberline-{version}-py3-none-{options.platform}.whl"
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as wheel:
        def add(name, content, mode):
            entry = zipfile.ZipInfo(name)  # Its time is 1980, always.
            entry.external_attr, entry.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            wheel.writestr(entry, content)
        for name, content, mode in files(options.program, version, options.platform.split(".")):
            add(name, content, mode)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{name},sha256={digest},{len(content)}\n")
        name = f"emberline-{version}.dist-info/RECORD"
        add(name, "".join(record + [f"{name},,\n"]).encode(), PLAIN)
    print(path)


if __name__ == "__main__":
    main()
