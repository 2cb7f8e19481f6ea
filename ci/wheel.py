#!/usr/bin/env python3
"""Packs a built program into a Python wheel: `python3 ci/wheel.py target/dist/emberline --output DIR`.

`pip install` of the wheel puts `emberline` beside `python`, as uv's and ruff's wheels do; there is no Python code in it. Prints
the wheel's path. Equal programs give equal bytes. Needs nothing but Python.
"""

import argparse
import base64
import hashlib
import pathlib
import platform
import re
import struct
import subprocess
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Wheels hold no times but that of the earliest date that a ZIP file can state.
EPOCH = (1980, 1, 1, 0, 0, 0)


def needed_glibc(program: bytes) -> tuple[int, int] | None:
    """The newest version of glibc whose symbols an ELF file asks for; None if it asks for none, as a static one."""
    versions = {(int(a), int(b)) for a, b in re.findall(rb"\0GLIBC_(\d+)\.(\d+)(?:\.\d+)?(?=\0)", program)}
    return max(versions, default=None)


def machine(program: bytes) -> str:
    """The name of an ELF file's processor in the names of wheels."""
    names = {0x3E: "x86_64", 0xB7: "aarch64"}
    if program[:4] != b"\x7fELF":
        return platform.machine()
    number = struct.unpack_from("<H", program, 18)[0]
    if number not in names:
        raise SystemExit(f"ci/wheel.py: no wheel is made for ELF machine {number:#x}")
    return names[number]


def platform_tag(program: bytes) -> str:
    """The systems that the wheel runs on, by PEP 600 (glibc) and PEP 656 (musl, static)."""
    if program[:4] == b"\xcf\xfa\xed\xfe":
        name = {"x86_64": "macosx_10_12_x86_64", "arm64": "macosx_11_0_arm64"}
        return name[platform.machine()]
    if program[:2] == b"MZ":
        return "win_amd64"
    glibc = needed_glibc(program)
    if glibc is None:
        return f"manylinux2014_{machine(program)}.musllinux_1_1_{machine(program)}"
    return f"manylinux_{glibc[0]}_{glibc[1]}_{machine(program)}"


def metadata(version: str) -> str:
    return "\n".join(
        [
            "Metadata-Version: 2.1",
            "Name: emberline",
            f"Version: {version}",
            "Summary: Compare pretrained text embeddings under trained heads, from one pipeline file, in one binary.",
            "License: MIT OR Apache-2.0",
            "Requires-Python: >=3.8",
            "Classifier: Environment :: Console",
            "Classifier: Programming Language :: Rust",
            "Description-Content-Type: text/markdown",
            "",
            (ROOT / "README.md").read_text(encoding="utf-8"),
        ]
    )


def add(wheel: zipfile.ZipFile, record: list[str], name: str, content: bytes, mode: int) -> None:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.external_attr = (0o100000 | mode) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    wheel.writestr(entry, content)
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    record.append(f"{name},sha256={digest},{len(content)}")


def pack(program: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    content = program.read_bytes()
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout.split()
    if len(said) != 2 or said[0] != "emberline":
        raise SystemExit(f"ci/wheel.py: {program} is not emberline: it says {said}")
    version, tag = said[1], platform_tag(content)
    info = f"emberline-{version}.dist-info"
    executable = "emberline.exe" if content[:2] == b"MZ" else "emberline"
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"emberline-{version}-py3-none-{tag}.whl"
    record: list[str] = []
    with zipfile.ZipFile(path, "w") as wheel:
        add(wheel, record, f"emberline-{version}.data/scripts/{executable}", content, 0o755)
        for licence in ["LICENSE", "LICENSE-APACHE", "LICENSE-MIT"]:
            add(wheel, record, f"{info}/licenses/{licence}", (ROOT / licence).read_bytes(), 0o644)
        add(wheel, record, f"{info}/METADATA", metadata(version).encode(), 0o644)
        tags = "".join(f"Tag: py3-none-{each}\n" for each in tag.split("."))
        text = f"Wheel-Version: 1.0\nGenerator: emberline ci/wheel.py\nRoot-Is-Purelib: false\n{tags}"
        add(wheel, record, f"{info}/WHEEL", text.encode(), 0o644)
        name = f"{info}/RECORD"
        record.append(f"{name},,")
        entry = zipfile.ZipInfo(name, EPOCH)
        entry.external_attr = 0o100644 << 16
        entry.create_system = 3
        wheel.writestr(entry, "\n".join(record) + "\n")
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("."))
    arguments = parser.parse_args()
    print(pack(arguments.program, arguments.output))


if __name__ == "__main__":
    main()
