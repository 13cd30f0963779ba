"""The Packages index: one typed record a binary package.

Written by hand for speed (a large index is read by columns, and its records are made when asked for: columns.py,
package_table.py; what is left is one pass over the lines) and strict where it matters: a package without a strong
digest, with a field twice, or with a file name that leaves the repository is refused, not skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain

from suture.sourcing.package_list import BinaryPackage, PackageList, PlainPackageList, without_twins
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import is_safe_path

__all__ = [
    "BinaryPackage",
    "PackageList",
    "PlainPackageList",
    "merge_packages",
    "parse_by_columns",
    "parse_one_by_one",
    "parse_packages",
]

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


def parse_packages(data: bytes, *, subject: str, component: str = "") -> PackageList:
    """Every package of an index, in its order; an empty list for an empty index. Raises Refusal: MALFORMED, WEAK_HASH."""
    if len(data) >= BY_COLUMNS_FROM_BYTES:
        packages = parse_by_columns(data, component=component)
        if packages is not None:
            return packages
    return PlainPackageList(parse_one_by_one(data, subject=subject, component=component))


def parse_by_columns(data: bytes, *, component: str) -> PackageList | None:
    """As parse_packages; portions that are not quite ordinary are read one by one. None where one of these is refused:
    parse_one_by_one says of the whole why."""
    from suture.sourcing.columns import read_columns
    from suture.sourcing.package_table import COMPONENT, PackageTable
    from suture.sourcing.text_column import TextColumn

    if b"\x00" in data or b"\r" in data:
        return None
    tables = []
    for portion, columns in read_columns(data):
        if columns is not None:
            columns[COMPONENT] = TextColumn.repeated(component, len(columns["Package"]))
            tables.append(PackageTable(columns))
            continue
        try:
            tables.append(PackageTable.of(parse_one_by_one(portion, subject="", component=component)))
        except Refusal:
            return None
    return PackageTable.joined(tables) if tables else PlainPackageList()


def merge_packages(lists: Sequence[PackageList], *, subject: str) -> PackageList:
    """One list of all, without repeats. It takes over what the lists hold: they are of no use afterwards.

    Raises Refusal (MALFORMED) for two files of one name, version and architecture.
    """
    if all(isinstance(packages, PlainPackageList) for packages in lists):
        return PlainPackageList(without_twins(chain.from_iterable(lists), subject=subject))
    from suture.sourcing.package_table import PackageTable

    tables = [packages if isinstance(packages, PackageTable) else PackageTable.of(packages) for packages in lists]
    return PackageTable.joined(tables).without_twins(subject=subject)


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
    if not (size.isascii() and size.isdigit() and len(size) <= 18):
        raise _malformed(subject, f"the size {size[:20]!r} of {name} is no number of bytes")
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
