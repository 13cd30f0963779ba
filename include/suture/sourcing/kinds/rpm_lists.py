"""The lists of an rpm repository: repomd.xml, and primary with one entry a package. Read without DTDs and entities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml import ElementTree as SafeTree

from suture.sourcing.kinds.result import malformed, strong_name
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import STRONG_HASHES, is_safe_path

_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_ONCE = tuple(f"{_COMMON}{name}" for name in ("name", "arch", "version", "checksum", "size", "location"))
_ONCE_IN_REPOMD = tuple(
    f"{_REPO}{name}" for name in ("location", "checksum", "open-checksum", "open-size", "size", "timestamp")
)
MAX_DEPTH = 32  # primary has 5
MAX_ELEMENTS = 200_000  # of one package: its files and what it needs
MAX_REPOMD_ELEMENTS = 10_000
MAX_TOKEN_BYTES = 1024 * 1024
MAX_SPECIALS = 10_000
MAX_STRANGERS = 1000  # primary has none
_LONG = re.compile(rb"(?:^|<)[^<]{%d}" % (MAX_TOKEN_BYTES - 1))
_SPECIAL = re.compile(rb"<(!--|!\[CDATA\[|\?)")
_ENDS = {b"!--": b"-->", b"![CDATA[": b"]]>", b"?": b"?>"}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^-]*")


@dataclass(frozen=True)
class ListedData:
    """A list that repomd.xml names. open_digests, open_size: of the plain form; {} and None where it is not said."""

    kind: str
    path: str
    size: int
    digests: Mapping[str, str]
    open_digests: Mapping[str, str]
    open_size: int | None
    timestamp: int


@dataclass(frozen=True)
class Repomd:
    """revision: a number; 0 where it is none."""

    revision: int
    data: Mapping[str, ListedData]

    @property
    def made_at(self) -> datetime:
        return datetime.fromtimestamp(max(one.timestamp for one in self.data.values()), UTC)


@dataclass(frozen=True, slots=True)
class RpmPackage:
    """An entry of primary. evr: epoch:version-release, the epoch always there."""

    name: str
    evr: str
    architecture: str
    path: str
    size: int
    algorithm: str
    digest: str


def parse_repomd(data: bytes, *, subject: str) -> Repomd:
    """Raises Refusal: MALFORMED, WEAK_HASH."""
    root = _tree(data, subject)
    if root.tag != f"{_REPO}repomd":
        raise malformed(subject, "it is no repomd document")
    found: dict[str, ListedData] = {}
    for node in root.iter(f"{_REPO}data"):
        kind = node.get("type", "")
        if kind in found:
            raise malformed(subject, f"it names the list {kind!r} twice")
        if kind.endswith(("_db", "_zck")):
            continue  # the same lists in other clients' forms; we read the plain one
        found[kind] = _listed(node, kind, subject)
    if "primary" not in found:
        raise malformed(subject, "it names no list of packages (primary)")
    revision = (root.findtext(f"{_REPO}revision") or "").strip()
    return Repomd(int(revision) if re.fullmatch(r"[0-9]{1,18}", revision) else 0, found)


def _listed(node: Any, kind: str, subject: str) -> ListedData:
    _one_of_each(node, _ONCE_IN_REPOMD, subject)
    location = node.find(f"{_REPO}location")
    path = location.get("href", "") if location is not None else ""
    if not is_safe_path(path) or (location is not None and _has_base(location)):
        raise malformed(subject, f"the path {path!r} of {kind} leaves the repository's folder")
    digests = _digests(node.find(f"{_REPO}checksum"), f"{subject} ({kind})")
    if not digests:
        raise malformed(subject, f"{kind} has no checksum")
    opened = node.find(f"{_REPO}open-checksum")
    open_size = node.findtext(f"{_REPO}open-size")
    return ListedData(
        kind, path, _number(node.findtext(f"{_REPO}size"), f"the size of {kind}", subject), digests,
        _digests(opened, f"{subject} ({kind})"),
        _number(open_size, f"the open size of {kind}", subject) if open_size is not None else None,
        _number((node.findtext(f"{_REPO}timestamp") or "").partition(".")[0], f"the time of {kind}", subject),
    )  # fmt: skip


def parse_primary(data: bytes, *, subject: str) -> list[RpmPackage]:
    """Raises Refusal: MALFORMED, WEAK_HASH."""
    known: dict[tuple[str, str, str], RpmPackage] = {}
    try:
        for node in _entries(data, subject):
            package = _package(node, subject)
            first = known.setdefault((package.name, package.evr, package.architecture), package)
            if (first.algorithm, first.digest) != (package.algorithm, package.digest):
                what = f"{package.name} {package.evr} {package.architecture}"
                raise malformed(subject, f"it lists two different files as {what}")
    except (SafeTree.ParseError, DefusedXmlException, ValueError) as error:
        raise malformed(subject, f"no XML as it should be: {_said(error)}") from error
    return list(known.values())


def _entries(data: bytes, subject: str) -> Iterator[Any]:
    """The packages' elements, one at a time: of all others nothing is kept, and no element may be deep or endless.

    An element costs some twenty times its bytes in memory: 256 MB of `<x/>` would be 5 GB.
    """
    _require_short_tokens(data, subject)
    depth = elements = strangers = 0
    root: Any = None
    for event, node in SafeTree.iterparse(BytesIO(data), events=("start", "end"), forbid_dtd=True):
        if event == "start":
            depth += 1
            elements += 1
            root = node if root is None else root
            if depth > MAX_DEPTH or elements > MAX_ELEMENTS:
                raise malformed(subject, "an entry of it is nested too deep or has too many parts")
            continue
        depth -= 1
        if depth != 1:
            continue
        if node.tag == f"{_COMMON}package":
            yield node
        elif (strangers := strangers + 1) > MAX_STRANGERS:
            raise malformed(subject, f"it has more than {MAX_STRANGERS} entries that are no packages")
        root.clear()
        elements = 1


def _require_short_tokens(data: bytes, subject: str) -> None:
    """expat reads an unfinished token again with each new piece of input: one of 100 MB would take hours (CVE-2023-52425)."""
    for number, special in enumerate(_SPECIAL.finditer(data), start=1):
        start = special.start()
        if number > MAX_SPECIALS or data.find(_ENDS[special[1]], start, start + MAX_TOKEN_BYTES) < 0:
            raise malformed(subject, "it has too many comments or CDATA sections, or one that does not end")
    if _LONG.search(data):
        raise malformed(subject, f"a tag or a text of it has more than {MAX_TOKEN_BYTES} bytes")


def _one_of_each(node: Any, tags: Iterable[str], subject: str) -> None:
    """Of two elements clients take the first or the last, each in its own way: neither is proven."""
    for tag in tags:
        if len(node.findall(tag)) > 1:
            raise malformed(subject, f"an entry has the element {tag.rpartition('}')[2]} twice")


def _package(node: Any, subject: str) -> RpmPackage:
    _one_of_each(node, _ONCE, subject)
    name, architecture = node.findtext(f"{_COMMON}name") or "", node.findtext(f"{_COMMON}arch") or ""
    version, checksum = node.find(f"{_COMMON}version"), node.find(f"{_COMMON}checksum")
    size, location = node.find(f"{_COMMON}size"), node.find(f"{_COMMON}location")
    if version is None or checksum is None or size is None or location is None:
        raise malformed(subject, f"the entry of {name!r} has no version, checksum, size or location")
    parts = (name, architecture, version.get("ver", ""), version.get("rel", ""))
    if not all(map(_WORD.fullmatch, parts)):
        raise malformed(subject, f"{' '.join(parts)!r} is no package's name, architecture, version, release")
    epoch = _number(version.get("epoch", "0"), f"the epoch of {name}", subject)
    path = location.get("href", "")
    if not is_safe_path(path) or _has_base(location):
        raise malformed(subject, f"the file name {path!r} of {name} leaves the repository's folder")
    digests = _digests(checksum, f"{subject}: {name}")
    if not digests:
        raise malformed(subject, f"{name} has no checksum")
    ((algorithm, digest),) = digests.items()
    length = _number(size.get("package"), f"the size of {name}", subject)
    return RpmPackage(name, f"{epoch}:{parts[2]}-{parts[3]}", architecture, path, length, algorithm, digest)


def _digests(node: Any | None, subject: str) -> dict[str, str]:
    if node is None:
        return {}
    stated, digest = node.get("type", ""), (node.text or "").strip().lower()
    name = strong_name(stated)
    if name is None:
        sentence = f"{subject} is listed by {stated or 'no digest'}; only SHA-256 and SHA-512 prove something."
        raise Refusal(RefusalReason.WEAK_HASH, sentence, subject=subject)
    if not re.fullmatch(rf"[0-9a-f]{{{STRONG_HASHES[name]}}}", digest):
        raise malformed(subject, f"its {stated} is not hexadecimal of the right length")
    return {name: digest}


def _has_base(location: Any) -> bool:
    """xml:base sends clients to another server for this one file."""
    return any(key.endswith("}base") or key == "base" for key in location.keys())  # noqa: SIM118  # an element, no dict


def _tree(data: bytes, subject: str) -> Any:
    if data.count(b"<") > MAX_REPOMD_ELEMENTS * 2:
        raise malformed(subject, f"it has more than {MAX_REPOMD_ELEMENTS} elements")
    try:
        return SafeTree.fromstring(data, forbid_dtd=True)
    except (SafeTree.ParseError, DefusedXmlException, ValueError) as error:
        raise malformed(subject, f"no XML as it should be: {_said(error)}") from error


def _said(error: Exception) -> str:
    return type(error).__name__ if isinstance(error, DefusedXmlException) else str(error)


def _number(text: str | None, what: str, subject: str) -> int:
    if text is None or not re.fullmatch(r"[0-9]{1,15}", text.strip()):
        raise malformed(subject, f"{what}, {(text or '')[:60]!r}, is no number")
    return int(text)
