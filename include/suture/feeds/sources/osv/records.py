"""OSV documents taken apart into records, and a record into its typed struct.

The rules:

1. A zip is read in memory within limits (entries, bytes inflated in all and for one); nothing of it is written to a
   disk. An encrypted entry, a name that stands twice, and one that inflates to more than it says are left out, named.
2. YAML is read as text only (every scalar a string, so that version 2.10 stays 2.10), without tags, anchors and
   aliases, without a key twice, and then goes the way of JSON.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import yaml

from suture.feeds.decoded import Rejected
from suture.feeds.errors import FeedFormatError
from suture.feeds.strict_json import MAX_DEPTH, decode_document, decode_record

MAX_ENTRIES, MAX_RECORD_BYTES, MAX_TOTAL_BYTES = 500_000, 16 * 1024 * 1024, 2 * 1024 * 1024 * 1024
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")


class Severity(msgspec.Struct):
    type: str
    score: str


class Package(msgspec.Struct):
    name: str
    ecosystem: str
    purl: str | None = None


class Range(msgspec.Struct):
    type: str
    events: list[dict[str, str]]


class Affected(msgspec.Struct):
    package: Package | None = None
    ranges: list[Range] = msgspec.field(default_factory=list)
    versions: list[str] = msgspec.field(default_factory=list)
    severity: list[Severity] = msgspec.field(default_factory=list)
    ecosystem_specific: dict[str, Any] = msgspec.field(default_factory=dict)


class Advisory(msgspec.Struct):
    """One record; upstream and per-package severity came with schema 1.6 and 1.7."""

    id: str
    modified: datetime
    schema_version: str = ""
    published: datetime | None = None
    withdrawn: datetime | None = None
    summary: str | None = None
    aliases: list[str] = msgspec.field(default_factory=list)
    related: list[str] = msgspec.field(default_factory=list)
    upstream: list[str] = msgspec.field(default_factory=list)
    severity: list[Severity] = msgspec.field(default_factory=list)
    affected: list[Affected] = msgspec.field(default_factory=list)


class Bundle(msgspec.Struct):
    published: datetime | None = None
    vulns: list[msgspec.Raw] | None = None
    advisories: list[msgspec.Raw] | None = None
    id: str | None = None


def take_apart(raw: bytes, where: str) -> tuple[datetime | None, list[tuple[str, bytes]], list[Rejected]]:
    """(the document's own date or None, named records, what was left out). Raises FeedFormatError."""
    if raw.startswith(_ZIP_MAGIC):
        documents, rejected = _from_zip(raw, where)
        return None, documents, rejected
    start = raw.lstrip()
    if start.startswith(b"["):
        items = decode_document(raw, list[msgspec.Raw], where=where)
        return None, [(f"advisory {number}", bytes(item)) for number, item in enumerate(items)], []
    if not start.startswith(b"{"):
        return None, [("advisory 0", raw)], []
    bundle = decode_document(raw, Bundle, where=where)
    found = bundle.vulns if bundle.vulns is not None else bundle.advisories
    if found is None:
        if bundle.id is None:
            raise FeedFormatError(where, "it holds neither `vulns` nor `advisories`, and is no advisory itself")
        return None, [("advisory 0", raw)], []
    return bundle.published, [(f"advisory {number}", bytes(item)) for number, item in enumerate(found)], []


def read_record(raw: bytes, *, where: str) -> Advisory:
    """One record in JSON or YAML, strictly. Raises FeedFormatError with the field that is wrong."""
    advisory = decode_record(raw if raw.lstrip().startswith(b"{") else from_yaml(raw, where), Advisory, where=where)
    if not advisory.id or len(advisory.id) > 100 or not advisory.id.isascii() or not advisory.id.isprintable():
        raise FeedFormatError(where, "id: it is empty, too long, or not plain ASCII")
    return advisory


def _from_zip(raw: bytes, where: str) -> tuple[list[tuple[str, bytes]], list[Rejected]]:
    documents: list[tuple[str, bytes]] = []
    rejected: list[Rejected] = []
    seen: set[str] = set()
    total = 0
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MAX_ENTRIES:
                raise FeedFormatError(where, f"it holds {len(entries)} records, more than the {MAX_ENTRIES} allowed")
            for entry in entries:
                name = entry.filename.encode("ascii", "replace").decode()[:200]
                try:
                    content = _inflated(archive, entry, seen)
                except (ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
                    rejected.append(Rejected(name, f"{where}, {name}: {error}."))
                    continue
                total += len(content)
                if total > MAX_TOTAL_BYTES:
                    raise FeedFormatError(where, f"it inflates to more than the {MAX_TOTAL_BYTES} bytes allowed")
                documents.append((name, content))
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise FeedFormatError(where, f"the zip cannot be read: {error}") from error
    return documents, rejected


def _inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, seen: set[str]) -> bytes:
    if entry.filename in seen:
        raise ValueError("the name stands twice in the zip; the first one counts")
    seen.add(entry.filename)
    if not entry.filename.endswith((".json", ".yaml", ".yml")):
        raise ValueError("it is no .json or .yaml record")
    if entry.flag_bits & 0x1:
        raise ValueError("it is encrypted")
    if entry.file_size > MAX_RECORD_BYTES:
        raise ValueError(f"it says that it inflates to {entry.file_size} bytes, more than {MAX_RECORD_BYTES}")
    with archive.open(entry) as stream:
        content = stream.read(MAX_RECORD_BYTES + 1)
    if len(content) > MAX_RECORD_BYTES:
        raise ValueError(f"it inflates to more than {MAX_RECORD_BYTES} bytes")
    return content


def from_yaml(raw: bytes, where: str) -> bytes:
    """The YAML document as JSON, by rule 2. Raises FeedFormatError."""
    try:
        text = raw.decode("utf-8")
        _refuse_tricks(yaml.parse(text, Loader=_Events))
        found = yaml.load(text, Loader=_Texts)  # noqa: S506 - BaseLoader makes nothing but str, list and dict
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise FeedFormatError(where, f"it is neither JSON nor YAML that can be read: {reason}") from error
    if not isinstance(found, dict):
        raise FeedFormatError(where, "it is no record: the document is not a mapping")
    return msgspec.json.encode(found)


_Events: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Texts(_Events):  # type: ignore[misc]
    """Every scalar a string, no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _value in node.value]
        twice = (
            next((key for key in keys if keys.count(key) > 1), None) if len(set(map(str, keys))) < len(keys) else None
        )
        if twice is not None:
            raise ValueError(f"the key {str(twice)[:60]!r} stands twice in one mapping")
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def _refuse_tricks(events: Iterator[Any]) -> None:
    depth = 0
    for event in events:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ValueError("it uses anchors or aliases")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
