"""What a CSAF provider lists: provider-metadata.json, ROLIE feeds (RFC 8322 as JSON), index.txt and changes.csv.

The rules:

1. Feeds and directories labelled other than TLP:WHITE or TLP:CLEAR are not for us.
2. ROLIE feeds are preferred (they name the hash and the signature); else directories, by changes.csv, else index.txt.
3. A document's name is its tracking id in lower case with `_` for what is neither letter, digit, `+` nor `-`, and
   `.json` (CSAF 2.0, 5.1). Another name is left out. So is a path that leaves its directory.
4. A row without a date that can be read is left out, named; index.txt gives no dates, and so all documents.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urljoin, urlsplit

import msgspec

from suture.feeds.decoded import Rejected
from suture.feeds.errors import FeedFormatError
from suture.feeds.strict_json import decode_document, decode_record, refuse_web_page

MAX_LISTED = 300_000
_OPEN_LABELS = frozenset({"WHITE", "CLEAR", "UNLABELED"})
_FILE_NAME = re.compile(r"[a-z0-9+_-]{1,200}\.json")
_PATH = re.compile(r"(?:[A-Za-z0-9+_-][A-Za-z0-9+._-]*/){0,6}[A-Za-z0-9+_-][A-Za-z0-9+._-]*")


@dataclass(frozen=True)
class Listed:
    """One document. hashes: addresses of its hash files, the strongest first; updated_at: None when not given."""

    url: str
    updated_at: datetime | None
    hashes: tuple[str, ...]
    signature: str

    @property
    def file_name(self) -> str:
        return urlsplit(self.url).path.rpartition("/")[2]


class _Feed(msgspec.Struct):
    url: str
    tlp_label: str = "UNLABELED"


class _Rolie(msgspec.Struct):
    feeds: list[_Feed] = msgspec.field(default_factory=list)


class _Distribution(msgspec.Struct):
    directory_url: str | None = None
    rolie: _Rolie | None = None


class _Publisher(msgspec.Struct):
    name: str


class Metadata(msgspec.Struct):
    metadata_version: str
    role: str
    publisher: _Publisher
    distributions: list[_Distribution] = msgspec.field(default_factory=list)


class _Link(msgspec.Struct):
    href: str
    rel: str = ""


class _Content(msgspec.Struct):
    src: str


class _Entry(msgspec.Struct):
    id: str
    updated: datetime
    link: list[_Link] = msgspec.field(default_factory=list)
    content: _Content | None = None


class _RolieFeed(msgspec.Struct):
    entry: list[msgspec.Raw] = msgspec.field(default_factory=list)


class _RolieDocument(msgspec.Struct):
    feed: _RolieFeed


def read_metadata(raw: bytes, *, where: str) -> tuple[list[str], list[str]]:
    """(ROLIE feeds, directories with a slash at their end). Raises FeedFormatError when it names neither."""
    refuse_web_page(raw, where=where)
    found = decode_record(raw, Metadata, where=where)
    if found.metadata_version != "2.0":
        raise FeedFormatError(where, f"metadata_version: {found.metadata_version[:20]!r} is not read, only 2.0")
    feeds = [
        feed.url
        for distribution in found.distributions
        for feed in (distribution.rolie.feeds if distribution.rolie else ())
        if feed.tlp_label.upper() in _OPEN_LABELS
    ]
    folders = [
        distribution.directory_url.rstrip("/") + "/"
        for distribution in found.distributions
        if distribution.directory_url
    ]
    if not feeds and not folders:
        raise FeedFormatError(where, "distributions: it names no open ROLIE feed and no directory")
    return feeds, folders


def read_rolie(raw: bytes, *, where: str) -> tuple[list[Listed], list[Rejected]]:
    """The feed's documents, and the entries that are of no use."""
    refuse_web_page(raw, where=where)
    entries = decode_document(raw, _RolieDocument, where=where).feed.entry
    _refuse_too_many(len(entries), where)
    found: list[Listed] = []
    rejected: list[Rejected] = []
    for number, item in enumerate(entries):
        try:
            entry = decode_record(bytes(item), _Entry, where=f"{where}, entry {number}")
            found.append(_listed_entry(entry))
        except FeedFormatError as error:
            rejected.append(Rejected(f"entry {number}", error.message))
        except ValueError as error:
            rejected.append(Rejected(entry.id[:200], f"{where}, entry {number}: {error}."))
    return found, rejected


def read_changes(raw: bytes, folder: str, *, where: str) -> tuple[list[Listed], list[Rejected]]:
    """changes.csv: "path","date" without a head. Raises FeedFormatError when it is not UTF-8 text."""
    found: list[Listed] = []
    rejected: list[Rejected] = []
    for number, row in enumerate(csv.reader(_lines(raw, where), strict=False), 1):
        try:
            if len(row) != 2:
                raise ValueError(f"it has {len(row)} fields, not a path and a date")
            moment = datetime.fromisoformat(row[1].strip())
            found.append(_listed_path(row[0], folder, moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
        except ValueError as error:
            rejected.append(Rejected(f"line {number}", f"{where}, line {number}: {error}."))
    return found, rejected


def read_index(raw: bytes, folder: str, *, where: str) -> tuple[list[Listed], list[Rejected]]:
    """index.txt: a path a line."""
    found: list[Listed] = []
    rejected: list[Rejected] = []
    for number, text in enumerate(_lines(raw, where), 1):
        try:
            if text.strip():
                found.append(_listed_path(text.strip(), folder, None))
        except ValueError as error:
            rejected.append(Rejected(f"line {number}", f"{where}, line {number}: {error}."))
    return found, rejected


def file_name_of(tracking_id: str) -> str:
    """The file name that belongs to a tracking id (CSAF 2.0, 5.1)."""
    return re.sub(r"[^+\-a-z0-9]+", "_", tracking_id.lower()) + ".json"


def _lines(raw: bytes, where: str) -> Iterator[str]:
    refuse_web_page(raw, where=where)
    if b"\x00" in raw:
        raise FeedFormatError(where, "it holds a NUL character")
    try:
        lines = raw.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FeedFormatError(where, "it is not UTF-8") from error
    _refuse_too_many(len(lines), where)
    return iter(lines)


def _refuse_too_many(count: int, where: str) -> None:
    if count > MAX_LISTED:
        raise FeedFormatError(where, f"it lists {count} documents, more than the {MAX_LISTED} allowed")


def _listed_entry(entry: _Entry) -> Listed:
    by_rel: dict[str, list[str]] = {}
    for link in entry.link:
        by_rel.setdefault(link.rel, []).append(link.href)
    url = entry.content.src if entry.content else next(iter(by_rel.get("self", [])), "")
    return _listed(url, entry.updated, by_rel.get("hash", []), next(iter(by_rel.get("signature", [])), None))


def _listed_path(path: str, folder: str, moment: datetime | None) -> Listed:
    if not _PATH.fullmatch(path):
        raise ValueError(f"{path[:80]!r} is no path inside the directory")
    return _listed(urljoin(folder, path), moment, [], None)


def _listed(url: str, moment: datetime | None, hashes: list[str], signature: str | None) -> Listed:
    name = urlsplit(url).path.rpartition("/")[2]
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is no CSAF document's file name")
    named = sorted(hashes, key=lambda address: not address.endswith(".sha512"))
    return Listed(url, moment, tuple(named or (f"{url}.sha512", f"{url}.sha256")), signature or f"{url}.asc")
