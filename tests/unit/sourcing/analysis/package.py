"""Real packages for tests, built by dpkg-deb; and hostile ones, built byte by byte, since dpkg-deb builds none."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from suture.sourcing.analysis.deb import package_file
from suture.sourcing.examination import PackageFile

OLD_NOTES = ("1.0-1", "  * First release.")
FIX = "  * Fix a buffer overflow in the parser (CVE-2026-1000). Closes: #1234567"


def changelog(*entries: tuple[str, str], source: str = "portal") -> str:
    return "\n".join(
        f"{source} ({version}) stable-security; urgency=high\n\n{text}\n\n"
        f" -- Vendor <v@vendor.test>  Tue, 03 Nov 2026 12:00:00 +0000\n"
        for version, text in entries
    )


@dataclass(frozen=True)
class Build:
    """A package to be. files: path → (content, mode); a str that starts with '->' is a symbolic link."""

    name: str = "portal"
    version: str = "1.0-1"
    notes: str = changelog(OLD_NOTES)
    files: Mapping[str, tuple[str | bytes, int]] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    conffiles: tuple[str, ...] = ()
    control: Mapping[str, str] = field(default_factory=dict)
    doc_link: str | None = None
    compression: str = "xz"

    def update(self, notes: str = FIX, version: str = "1.0-1+deb12u1") -> Build:
        """The next version, with a fixed program and an entry that says `notes`."""
        files = {**self.files, "usr/bin/portal": (f"#!/bin/sh\necho {version}\n", 0o755)}
        return replace(self, version=version, notes=changelog((version, notes), OLD_NOTES), files=files)

    def plus(self, path: str, content: str | bytes = "x\n", mode: int = 0o644) -> Build:
        return replace(self, files={**self.files, path: (content, mode)})

    def into(self, folder: Path) -> PackageFile:
        """Build it with dpkg-deb."""
        folder.mkdir(exist_ok=True)
        root = folder / "trees" / f"{self.name}_{self.version}"
        shutil.rmtree(root, ignore_errors=True)
        files = {"usr/bin/portal": ("#!/bin/sh\necho 1\n", 0o755), **self.files}
        doc = f"usr/share/doc/{self.name}"
        if self.doc_link:
            files[doc] = (f"->{self.doc_link}", 0o777)
        else:
            files[f"{doc}/changelog.Debian.gz"] = (gzip.compress(self.notes.encode(), mtime=0), 0o644)
        sums = []
        for path, (content, mode) in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str) and content.startswith("->"):
                target.symlink_to(content[2:])
                continue
            data = content.encode() if isinstance(content, str) else content
            target.write_bytes(data)
            target.chmod(mode)
            sums.append(f"{hashlib.md5(data).hexdigest()}  {path}\n")
        root.mkdir(parents=True, exist_ok=True)
        for directory in [root, *(path for path in root.rglob("*") if path.is_dir() and not path.is_symlink())]:
            directory.chmod(0o755)
        control = root / "DEBIAN"
        control.mkdir(mode=0o755)
        head = {
            "Package": self.name,
            "Version": self.version,
            "Architecture": "amd64",
            "Maintainer": "V <v@vendor.test>",
        }
        fields = {**head, "Source": "portal", **self.fields, "Description": "a test"}
        if fields["Source"] == self.name:
            del fields["Source"]
        (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
        for name, text in {"md5sums": "".join(sums), **self.control}.items():
            (control / name).write_text(text)
        if self.conffiles:
            (control / "conffiles").write_text("".join(f"/{path}\n" for path in self.conffiles))
        for name, text in self.scripts.items():
            (control / name).write_text(f"#!/bin/sh\nset -e\n{text}\n")
            (control / name).chmod(0o755)
        built = folder / f"{self.name}_{self.version}_amd64.deb"
        command = ["dpkg-deb", f"-Z{self.compression}", "--root-owner-group", "-b", str(root), str(built)]
        subprocess.run(command, check=True, capture_output=True)
        return package_file(built)


CONTROL = b"Package: portal\nVersion: 1.0\nArchitecture: amd64\nDescription: x\n"


def info(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def tar(members: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member, data in members:
            if member.isreg():
                member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def ar(parts: Iterable[tuple[str, bytes]]) -> bytes:
    made = b"!<arch>\n"
    for name, data in parts:
        made += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        made += b"\n" if len(data) % 2 else b""
    return made


def deb(data: bytes, *, control: bytes | None = None, suffix: str = "") -> bytes:
    """A .deb around a data.tar; `suffix` says how `data` is compressed."""
    control = tar([(info("./control"), CONTROL)]) if control is None else control
    return ar([("debian-binary", b"2.0\n"), ("control.tar", control), (f"data.tar{suffix}", data)])
