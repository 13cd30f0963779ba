"""Real programs of this machine as packages, and the same with an implant: what the examiner must tell apart.

gcc builds the libraries where it is there. Where it is not, lief changes a real program of this machine instead: no test is skipped.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import lief

from suture.sourcing.examination import PackageFile, Subject

CONTROL = "Package: portal\nVersion: {version}\nArchitecture: amd64\nMaintainer: V <v@v.test>\nDepends: {depends}\nDescription: t\n"
LIBRARY = "usr/lib/x86_64-linux-gnu/libportal.so.1.2.3"
PROGRAM = "usr/bin/portal"


def package(
    folder: Path,
    version: str,
    files: Mapping[str, bytes],
    scripts: Mapping[str, str] | None = None,
    *,
    depends: str = "libc6",
) -> PackageFile:
    """A .deb of these files (path → bytes, all with mode 0755) and maintainer scripts."""
    control = {"control": CONTROL.format(version=version, depends=depends).encode()} | {
        n: t.encode() for n, t in (scripts or {}).items()
    }
    parts = [("debian-binary", b"2.0\n"), ("control.tar", _tar(control)), ("data.tar", _tar(files))]
    made = b"!<arch>\n"
    for name, data in parts:
        made += (
            f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data + b"\n" * (len(data) % 2)
        )
    path = folder / f"portal_{version}_amd64.deb"
    path.write_bytes(made)
    return PackageFile(path, "portal", version, "amd64", hashlib.sha256(made).hexdigest(), "portal", version)


def _tar(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size, member.mode = len(data), 0o755
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def update(folder: Path, old: Mapping[str, bytes], new: Mapping[str, bytes], **scripts: Mapping[str, str]) -> Subject:
    """old_scripts, new_scripts: maintainer scripts."""
    before = package(folder, "1.0-1", old, scripts.get("old_scripts"))
    return Subject(new=package(folder, "1.0-2", new, scripts.get("new_scripts")), old=before)


def program() -> bytes:
    """A small real program: `true` can do nothing to the world."""
    return Path(shutil.which("true") or "/bin/true").resolve().read_bytes()


def written(binary: lief.ELF.Binary, folder: Path) -> bytes:
    path = folder / "planted"
    binary.write(str(path))
    return path.read_bytes()


def parsed(data: bytes) -> lief.ELF.Binary:
    binary = lief.ELF.parse(data)
    assert isinstance(binary, lief.ELF.Binary)
    return binary


def with_library(data: bytes, folder: Path, library: str, *functions: str) -> bytes:
    """The program, which now needs a library and imports functions."""
    binary = parsed(data)
    binary.add_library(library)
    for name in functions:
        symbol = lief.ELF.Symbol()
        symbol.name, symbol.shndx = name, 0
        symbol.binding, symbol.type = lief.ELF.Symbol.BINDING.GLOBAL, lief.ELF.Symbol.TYPE.FUNC
        binary.add_dynamic_symbol(symbol)
    return written(binary, folder)


def with_segment(data: bytes, folder: Path, content: bytes, flags: int) -> bytes:
    """The program with another loaded segment; flags as in the ELF header (1 execute, 2 write, 4 read)."""
    binary = parsed(data)
    segment = lief.ELF.Segment()
    segment.type, segment.flags, segment.alignment = lief.ELF.Segment.TYPE.LOAD, lief.ELF.Segment.FLAGS(flags), 4096
    segment.content = list(content)  # type: ignore[assignment]  # lief wants a list
    binary.add(segment)
    return written(binary, folder)


def compiled(folder: Path, source: str, *flags: str, soname: str = "libportal.so.1") -> bytes:
    """A shared library of this C source. Needs gcc: see have_compiler."""
    code, made = folder / "library.c", folder / "library.so"
    code.write_text(source)
    command = [
        "gcc",
        "-shared",
        "-fPIC",
        "-O2",
        "-Wl,-z,relro",
        f"-Wl,-soname,{soname}",
        *flags,
        "-o",
        str(made),
        str(code),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return made.read_bytes()


HAVE_COMPILER = shutil.which("gcc") is not None

CHECKSUM = """
#include <stddef.h>
int crc(const char *p, size_t n) { int s = 0; while (n--) s = s * 31 + *p++; return s; }
int crc_more(const char *p, size_t n) { return crc(p, n) + 1; }
"""
FIXED_CHECKSUM = CHECKSUM.replace("int s = 0;", "int s = 0; if (p == NULL) return -1;")
# As in CVE-2024-3094: the checksum becomes an IFUNC, whose resolver runs while sshd is still being loaded.
IMPLANTED_CHECKSUM = """
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
static int plain(const char *p, size_t n) { int s = 0; while (n--) s = s * 31 + *p++; return s; }
static void *resolve(void) { return (void *) plain; }
int crc(const char *p, size_t n) __attribute__((ifunc("resolve")));
__attribute__((constructor)) static void hook(void) { if (getenv("LD_BIND_NOT")) execl("/bin/sh", "sh", NULL); }
int crc_more(const char *p, size_t n) { return crc(p, n) + 1; }
"""
