"""The Packages index: one typed record a binary package.

Written by hand for speed (a large index is read by columns, see there; what is left is one pass over the lines) and
strict where it matters: a package without a strong digest, with a field twice, or with a file name that leaves the
repository is refused, not skipped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import repeat
from typing import Any

from suture.sourcing.columns import collector_paused, filled, read_columns
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import ListedFile, is_safe_path

BY_COLUMNS_FROM_BYTES = 64 * 1024  # below that, numpy's import costs more than it saves
_WANTED = frozenset(
    {
        *("Package", "Version", "Architecture", "Source", "Filename", "Size", "SHA256", "SHA512"),
        *("Depends", "Pre-Depends", "Provides", "Phased-Update-Percentage"),
    }
)
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*")  # Debian policy 5.6.1, and one character tolerated
_VERSION = re.compile(r"[0-9A-Za-z.+:~-]+")
_ARCHITECTURE = re.compile(r"[a-z0-9][a-z0-9-]*")
_SOURCE = re.compile(r"(\S+)(?:\s+\(([^)\s]+)\))?")
# Found one by one: split() would make a list of 128 million empty strings of 256 MB of newlines (150 kB as .xz).
_STANZA = re.compile(r"(?>[^\n]++\n?)++")
_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class BinaryPackage:
    """One stanza. At least one of sha256 and sha512 is there; depends and provides are as written, '' for none.

    phased_percentage: the share of hosts that gets the update so far (Phased-Update-Percentage), None when it is not phased.
    """

    name: str
    version: str
    source: str
    source_version: str
    architecture: str
    filename: str
    size: int
    sha256: str | None
    sha512: str | None
    depends: str
    pre_depends: str
    provides: str
    component: str = ""
    phased_percentage: int | None = None

    def listed(self) -> ListedFile:
        digests = {"SHA256": self.sha256, "SHA512": self.sha512}
        return ListedFile(self.filename, self.size, {name: d for name, d in digests.items() if d})


def parse_packages(data: bytes, *, subject: str, component: str = "") -> list[BinaryPackage]:
    """Every package of an index, in its order; [] for an empty index. Raises Refusal: MALFORMED, WEAK_HASH."""
    if len(data) >= BY_COLUMNS_FROM_BYTES:
        packages = parse_by_columns(data, component=component)
        if packages is not None:
            return packages
    return parse_one_by_one(data, subject=subject, component=component)


def parse_by_columns(data: bytes, *, component: str) -> list[BinaryPackage] | None:
    """As parse_packages, for a quite ordinary index; None for one that parse_one_by_one must read."""
    packages: list[BinaryPackage] = []
    with collector_paused():
        for columns in read_columns(data):
            if columns is None:
                return None
            packages += _from_columns(columns, component)
    return packages


def _from_columns(columns: dict[str, list[Any]], component: str) -> list[BinaryPackage]:
    names, versions, sources = columns["Package"], columns["Version"], columns["Source"]
    ready: dict[str, Iterable[Any]] = {
        "name": names,
        "version": versions,
        # As _source does it, for a column that has passed its expression: "name" or "name (version)".
        "source": [source.partition(" ")[0] or name for source, name in zip(sources, names, strict=True)],
        "source_version": [
            source[source.index("(") + 1 : -1] if source[-1:] == ")" else version
            for source, version in zip(sources, versions, strict=True)
        ],
        "architecture": map(sys.intern, columns["Architecture"]),
        "filename": columns["Filename"],
        "size": map(int, columns["Size"]),
        "sha256": columns["SHA256"],
        "sha512": _none_for_empty(columns["SHA512"]),
        "depends": columns["Depends"],
        "pre_depends": columns["Pre-Depends"],
        "provides": columns["Provides"],
        "component": repeat(component),
        "phased_percentage": map(_number_or_none, columns["Phased-Update-Percentage"]),
    }
    return filled(BinaryPackage, ready, len(names))


def _number_or_none(value: str) -> int | None:
    return int(value) if value else None


def _none_for_empty(values: list[str]) -> Iterable[str | None]:
    return [value or None for value in values] if any(values) else repeat(None)


def parse_one_by_one(data: bytes, *, subject: str, component: str) -> list[BinaryPackage]:
    """As parse_packages, whatever the index is like."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(subject, f"not UTF-8 at byte {error.start}") from error
    if "\x00" in text:
        raise _malformed(subject, "it holds a NUL character")
    return list(_stanzas(text.replace("\r\n", "\n"), subject, component))


def _stanzas(text: str, subject: str, component: str) -> Iterator[BinaryPackage]:
    for match in _STANZA.finditer(text):
        stanza = match[0]
        fields: dict[str, str] = {}
        last = ""
        for line in stanza.split("\n"):
            name, colon, value = line.partition(":")
            if name in _WANTED and colon:
                if name in fields:
                    raise _malformed(subject, f"{name} stands twice in the entry of {fields.get('Package', '?')}")
                fields[name] = value.strip()
                last = name
            elif line[:1] not in {" ", "\t"}:
                last = ""
            elif last:
                fields[last] += "\n" + line.strip()
        if fields:
            yield _package(fields, subject, component)
        elif stanza.strip():
            raise _malformed(subject, f"no package in {stanza.strip()[:60]!r}")


def _package(fields: dict[str, str], subject: str, component: str) -> BinaryPackage:
    try:
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
        filename, size = fields["Filename"], fields["Size"]
    except KeyError as error:
        raise _malformed(subject, f"the entry of {fields.get('Package', '?')} has no {error.args[0]}") from error
    if not (_NAME.fullmatch(name) and _VERSION.fullmatch(version) and _ARCHITECTURE.fullmatch(architecture)):
        raise _malformed(subject, f"{name!r} {version!r} {architecture!r} is no package's name, version, architecture")
    if not is_safe_path(filename.removeprefix("./")):
        raise _malformed(subject, f"the file name {filename!r} of {name} leaves the repository's folder")
    if not size.isascii() or not size.isdigit():
        raise _malformed(subject, f"the size {size!r} of {name} is no number")
    sha256, sha512 = fields.get("SHA256", "").lower(), fields.get("SHA512", "").lower()
    if not (sha256 or sha512):
        sentence = f"{subject}: {name} {version} has neither SHA-256 nor SHA-512; MD5 and SHA-1 can be forged."
        raise Refusal(RefusalReason.WEAK_HASH, sentence, subject=subject)
    if any(digest and not (_HEX.fullmatch(digest) and len(digest) == n) for digest, n in ((sha256, 64), (sha512, 128))):
        raise _malformed(subject, f"the digests of {name} {version} are not hexadecimal of the right length")
    source, source_version = _source(fields.get("Source"), name, version, subject)
    return BinaryPackage(
        name, version, source, source_version, architecture, filename.removeprefix("./"), int(size),
        sha256 or None, sha512 or None, fields.get("Depends", ""), fields.get("Pre-Depends", ""),
        fields.get("Provides", ""), component, _phased(fields.get("Phased-Update-Percentage"), name, subject),
    )  # fmt: skip


def _phased(value: str | None, name: str, subject: str) -> int | None:
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 3 and int(value) <= 100):
        raise _malformed(subject, f"the Phased-Update-Percentage {value[:20]!r} of {name} is no number from 0 to 100")
    return int(value)


def _source(value: str | None, name: str, version: str, subject: str) -> tuple[str, str]:
    """Source: name [(version)]; without it, the binary's own (Debian policy 5.6.1)."""
    if value is None:
        return name, version
    match = _SOURCE.fullmatch(value.strip())
    if match is None:
        raise _malformed(subject, f"the source {value!r} of {name} cannot be read")
    return match[1], match[2] or version


def _malformed(subject: str, why: str) -> Refusal:
    return Refusal(RefusalReason.MALFORMED, f"{subject} cannot be read: {why}.", subject=subject)
