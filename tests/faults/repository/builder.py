"""Builds a good, signed apt repository out of nothing, and lets a test change any part of it before or after signing.

Everything is made here: the .deb files byte by byte, the indices, the Release file, the keys.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import zstandard

from suture.sourcing.signing import SigningKey

RELEASE_DATE = "%a, %d %b %Y %H:%M:%S UTC"
SUITE = "stable"
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
    ".lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE),
}


class Key(SigningKey):
    """A vendor's key, whose clock a test may set."""

    def make(self, *, made_at: datetime, lifetime: str = "never", algorithm: str = "ed25519") -> Key:
        with self._home() as home:
            clock = ["--faked-system-time", made_at.strftime("%Y%m%dT%H%M%S!")]
            self._gpg(home, [*clock, "--passphrase", "", "--quick-gen-key", self._owner, algorithm, "sign", lifetime])
        return self

    def revoke(self) -> None:
        """Import the revocation certificate that gpg wrote when it made the key."""
        with self._home() as home:
            text = next((home / "openpgp-revocs.d").glob("*.rev")).read_text("utf-8")
            certificate = text.replace(":-----BEGIN", "-----BEGIN")
            self._gpg(home, ["--import"], certificate[certificate.index("-----BEGIN") :].encode())

    def sign_at(self, text: bytes, at: datetime, *, digest: str = "SHA512") -> tuple[bytes, bytes]:
        """Clear-signed and detached, as if made at `at`."""
        with self._home() as home:
            clock = ["--faked-system-time", at.strftime("%Y%m%dT%H%M%S!"), "--digest-algo", digest]
            clock += ["--allow-weak-digest-algos"]
            inline = self._gpg(home, [*clock, "--clearsign"], text)
            return inline, self._gpg(home, [*clock, "--armor", "--detach-sign"], text)

    @staticmethod
    def sign_together(keys: Sequence[Key], text: bytes, at: datetime, *, form: str = "--clearsign") -> bytes:
        """Signed by all of them in one signature block, as archives do while their key changes over."""
        with tempfile.TemporaryDirectory() as folder:
            ring = Key(Path(folder, "ring"), owner="unused")
            secrets = [key.secret_key() for key in keys]
            with ring._home() as home:
                for secret in secrets:
                    ring._gpg(home, ["--import"], secret)
                users = [part for key in keys for part in ("--local-user", f"={key._owner}")]
                clock = ["--faked-system-time", at.strftime("%Y%m%dT%H%M%S!")]
                return ring._gpg(home, [*clock, *users, "--armor", form], text)

    def secret_key(self) -> bytes:
        with self._home() as home:
            return self._gpg(home, ["--passphrase", "", "--export-secret-keys"])


@dataclass
class Deb:
    """A binary package to be. extra: further fields of its control file. files: more content, path → bytes, with the modes that are
    not 644; scripts: maintainer scripts."""

    name: str
    version: str
    architecture: str = "amd64"
    source: str | None = None
    changelog: str = ""
    payload: bytes = b"content\n"
    extra: dict[str, str] = field(default_factory=dict)
    link_doc_to: str | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    modes: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)

    @property
    def filename(self) -> str:
        return f"pool/main/{self.name[0]}/{self.name}/{self.name}_{self.version}_{self.architecture}.deb"

    def control(self) -> str:
        fields = {"Package": self.name}
        if self.source:
            fields["Source"] = self.source
        fields |= {"Version": self.version, "Architecture": self.architecture, "Maintainer": "Vendor <v@vendor.test>"}
        fields |= {**self.extra, "Description": f"test package {self.name}"}
        return "".join(f"{name}: {value}\n" for name, value in fields.items())

    def build(self) -> bytes:
        control = _tar({"./control": self.control().encode()} | {f"./{n}": s.encode() for n, s in self.scripts.items()})
        doc = f"./usr/share/doc/{self.name}"
        files: dict[str, bytes | str] = {f"./usr/share/{self.name}/payload": self.payload}
        if self.link_doc_to:
            files[doc] = self.link_doc_to
        elif self.changelog:
            files[f"{doc}/changelog.Debian.gz"] = gzip.compress(self.changelog.encode(), mtime=0)
        files |= {f"./{path}": data for path, data in self.files.items()}
        modes = {f"./{path}": mode for path, mode in self.modes.items()}
        members = {"debian-binary": b"2.0\n", "control.tar.gz": control, "data.tar.gz": _tar(files, modes)}
        return b"!<arch>\n" + b"".join(_ar_member(name, data) for name, data in members.items())


def _tar(files: dict[str, bytes] | dict[str, bytes | str], modes: dict[str, int] | None = None) -> bytes:
    """A gzipped tar; a str value is the target of a symbolic link."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode = (modes or {}).get(name, 0o644)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue(), mtime=0)


def _ar_member(name: str, data: bytes) -> bytes:
    header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
    return header + data + (b"\n" if len(data) % 2 else b"")


def _same_text(text: str) -> str:
    return text


def _same_form(_form: str, data: bytes) -> bytes:
    return data


@dataclass
class Repository:
    """A repository on disk. Change the fields, then publish(); or change the files after publish()."""

    root: Path
    now: datetime
    debs: list[Deb]
    fields: dict[str, str] = field(default_factory=dict)
    digests: tuple[str, ...] = ("MD5Sum", "SHA256")
    package_digests: tuple[str, ...] = ("MD5sum", "SHA256")
    forms: tuple[str, ...] = ("", ".gz", ".xz")
    by_hash: bool = False
    listed: dict[str, bytes] = field(default_factory=dict)  # more files that the Release lists, by path in the suite's folder
    edit_index: Callable[[str], str] = _same_text
    edit_release: Callable[[str], str] = _same_text
    edit_form: Callable[[str, bytes], bytes] = _same_form

    def __post_init__(self) -> None:
        self.fields = {
            "Origin": "Vendor",
            "Label": "Vendor",
            "Suite": SUITE,
            "Codename": SUITE,
            "Date": (self.now - timedelta(hours=1)).strftime(RELEASE_DATE),
            "Valid-Until": (self.now + timedelta(days=6)).strftime(RELEASE_DATE),
            "Architectures": "amd64",
            "Components": "main",
        } | self.fields

    @property
    def dist(self) -> Path:
        return self.root / "dists" / SUITE

    @property
    def index(self) -> Path:
        return self.dist / "main" / "binary-amd64" / "Packages"

    @property
    def inrelease(self) -> Path:
        return self.dist / "InRelease"

    def deb_path(self, number: int = 0) -> Path:
        return self.root / self.debs[number].filename

    def publish(self, key: Key, *, signed_at: datetime | None = None, digest: str = "SHA512") -> Repository:
        self.write_files()
        text = self.release_text().encode()
        signed_at = signed_at or self.now - timedelta(hours=1)
        inline, detached = key.sign_at(text, signed_at, digest=digest)
        (self.dist / "Release").write_bytes(text)
        self.inrelease.write_bytes(inline)
        (self.dist / "Release.gpg").write_bytes(detached)
        return self

    def write_files(self) -> None:
        stanzas = []
        for deb in self.debs:
            data = deb.build()
            path = self.root / deb.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            stanza = deb.control() + f"Filename: {deb.filename}\nSize: {len(data)}\n"
            stanzas.append(stanza + "".join(f"{name}: {_digest(name, data)}\n" for name in self.package_digests))
        index = self.edit_index("\n".join(stanzas)).encode()
        self.index.parent.mkdir(parents=True, exist_ok=True)
        for form in self.forms:
            data = self.edit_form(form, PACKERS[form](index))
            self.index.with_name("Packages" + form).write_bytes(data)
            if self.by_hash:
                copy = self.index.parent / "by-hash" / "SHA256" / hashlib.sha256(data).hexdigest()
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(data)
        for name, data in self.listed.items():
            path = self.dist / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def release_text(self) -> str:
        lines = [f"{name}: {value}" for name, value in self.fields.items()]
        if self.by_hash:
            lines.append("Acquire-By-Hash: yes")
        for algorithm in self.digests:
            lines.append(f"{algorithm}:")
            for form in self.forms:
                data = self.index.with_name("Packages" + form).read_bytes()
                lines.append(f" {_digest(algorithm, data)} {len(data)} main/binary-amd64/Packages{form}")
            lines += [f" {_digest(algorithm, data)} {len(data)} {name}" for name, data in self.listed.items()]
        return self.edit_release("\n".join(lines) + "\n")


def _digest(name: str, data: bytes) -> str:
    return hashlib.new(name.lower().removesuffix("sum") if "sum" in name.lower() else name.lower(), data).hexdigest()


def good_debs() -> list[Deb]:
    """Two packages of one source, one depending on the other, and one of architecture all."""
    changelog = (
        "portal (2.0) stable; urgency=high\n\n  * Fix CVE-2026-0001.\n\n"
        " -- Vendor <v@vendor.test>  Mon, 02 Nov 2026 10:00:00 +0000\n"
    )
    return [
        Deb("portal", "2.0", changelog=changelog, extra={"Depends": "portal-data (= 2.0), libc6 (>= 2.0)"}),
        Deb("portal-data", "2.0", architecture="all", source="portal", link_doc_to="portal"),
        Deb("other", "1.5-1"),
    ]


def good_repository(root: Path, now: datetime, **changes: object) -> Repository:
    return Repository(root, now.astimezone(UTC).replace(microsecond=0), good_debs(), **changes)  # type: ignore[arg-type]
