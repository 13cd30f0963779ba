"""STIX 2.1 (OASIS): vulnerabilities, indicators, sightings and relationships, from a bundle or a TAXII 2.1 envelope.

The rules:

1. A pattern is kept as text. Nothing here evaluates it, matches it or asks the address in it.
2. Only objects of spec_version 2.1 are read: others mean other things by the same words. Kinds that Suture does not keep
   (malware, campaigns …) are passed over.
3. CVE ids come from a vulnerability's external references (source_name cve) and name; an indicator or a sighting has
   those of what it points at by `indicates` or `sighting_of_ref` in the same bundle.
4. Of several versions of an object the latest counts. What is revoked stays, marked, and counts no more.
5. A bundle has no date: each object's own says which version of it is the latest.
6. Confidence that is not given is unknown, which is not low.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec

from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept
from suture.feeds.errors import FeedFormatError
from suture.feeds.outside_text import cve_ids, line, paragraph
from suture.feeds.strict_json import decode_document, decode_record, refuse_web_page
from suture.feeds.vendor_rows import without_twins

TABLES = ("threat_signal",)
KINDS = frozenset({"vulnerability", "indicator", "sighting", "relationship"})
MAX_PATTERN = 10_000
_ID = re.compile(r"[a-z][a-z0-9-]{2,249}--[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Kind(msgspec.Struct):
    type: str
    id: str = ""


class Reference(msgspec.Struct):
    source_name: str
    external_id: str | None = None


class Thing(msgspec.Struct):
    """The fields of the four kinds; which of them an object must have is checked by kind."""

    type: str
    id: str
    created: datetime
    modified: datetime
    spec_version: str = "2.0"
    revoked: bool = False
    confidence: int | None = None
    labels: list[str] = msgspec.field(default_factory=list)
    external_references: list[Reference] = msgspec.field(default_factory=list)
    name: str | None = None
    description: str | None = None
    pattern: str | None = None
    pattern_type: str | None = None
    indicator_types: list[str] = msgspec.field(default_factory=list)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    relationship_type: str | None = None
    source_ref: str | None = None
    target_ref: str | None = None
    sighting_of_ref: str | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    count: int | None = None


class Envelope(msgspec.Struct):
    """A bundle (type, id), or a TAXII envelope (more, next)."""

    type: str | None = None
    objects: list[msgspec.Raw] = msgspec.field(default_factory=list)
    more: bool = False
    next: str | None = None


def decode(raw: bytes, *, where: str, feed: str = "stix", **_options: object) -> Decoded:
    """Rows of threat_signal; record ids are STIX ids. Raises FeedFormatError."""
    refuse_web_page(raw, where=where)
    envelope = decode_document(raw, Envelope, where=where)
    if envelope.type not in (None, "bundle") or (envelope.type is None and b'"objects"' not in raw):
        raise FeedFormatError(where, "it is neither a STIX bundle nor a TAXII envelope")
    things: list[Thing] = []
    rejected: list[Rejected] = []
    for number, item in enumerate(envelope.objects):
        place = f"{where}, objects[{number}]"
        name = f"objects[{number}]"
        try:
            kind = decode_record(bytes(item), Kind, where=place)
            name = line(kind.id, 200) or name
            if kind.type in KINDS:
                thing = decode_record(bytes(item), Thing, where=place)
                _refuse_unfit(thing)
                things.append(thing)
        except FeedFormatError as error:
            rejected.append(Rejected(name, error.message, kept(item)))
        except ValueError as error:
            rejected.append(Rejected(name, f"{place}: {error}.", kept(item)))
    rows = _with_linked_cves([_row(thing, feed) for thing in things])
    return Decoded(None, without_twins({"threat_signal": rows}), rejected, records=len(envelope.objects))


def _refuse_unfit(thing: Thing) -> None:
    if not _ID.fullmatch(thing.id) or not thing.id.startswith(f"{thing.type}--"):
        raise ValueError(f"id: {thing.id[:80]!r} is no STIX id of type {thing.type}")
    if thing.spec_version != "2.1":
        raise ValueError(f"spec_version: {thing.spec_version[:10]!r} is not read, only 2.1")
    if thing.modified < thing.created:
        raise ValueError("modified: it is earlier than created")
    needed: dict[str, tuple[str, ...]] = {
        "vulnerability": ("name",),
        "indicator": ("pattern", "pattern_type", "valid_from"),
        "sighting": ("sighting_of_ref",),
        "relationship": ("relationship_type", "source_ref", "target_ref"),
    }
    for field in needed[thing.type]:
        if not getattr(thing, field):
            raise ValueError(f"{field}: it is missing from the {thing.type}")
    if thing.confidence is not None and not 0 <= thing.confidence <= 100:
        raise ValueError("confidence: it lies outside 0 to 100")
    if thing.count is not None and not 0 <= thing.count <= 999_999_999:
        raise ValueError("count: it lies outside 0 to 999,999,999")
    if len(thing.pattern or "") > MAX_PATTERN:
        raise ValueError(
            f"pattern: it is longer than {MAX_PATTERN} characters, and half a pattern means something else"
        )
    for field in ("source_ref", "target_ref", "sighting_of_ref"):
        found = getattr(thing, field)
        if found is not None and not _ID.fullmatch(found):
            raise ValueError(f"{field}: {found[:80]!r} is no STIX id")


def _row(thing: Thing, feed: str) -> Row:
    named = [reference.external_id or "" for reference in thing.external_references if reference.source_name == "cve"]
    sighting = thing.type == "sighting"
    return {
        "record_id": thing.id,
        "source": feed,
        "signal_id": thing.id,
        "kind": thing.type,
        "name": line(thing.name) if thing.name else None,
        "cve_ids": cve_ids([*named, thing.name or ""] if thing.type == "vulnerability" else named),
        "pattern": paragraph(thing.pattern, MAX_PATTERN) if thing.pattern else None,
        "pattern_type": line(thing.pattern_type, 60) if thing.pattern_type else None,
        "labels": [line(label, 100) for label in (*thing.indicator_types, *thing.labels)[:50]],
        "source_ref": thing.source_ref,
        "relation": line(thing.relationship_type, 100) if thing.relationship_type else None,
        "target_ref": thing.sighting_of_ref if sighting else thing.target_ref,
        "sighted_count": thing.count if sighting else None,
        "confidence": thing.confidence,
        "valid_from": iso(thing.first_seen if sighting else thing.valid_from),
        "valid_until": iso(thing.last_seen if sighting else thing.valid_until),
        "created_at": iso(thing.created),
        "modified_at": iso(thing.modified),
        "revoked": thing.revoked,
    }


def _with_linked_cves(rows: list[Row]) -> list[Row]:
    """Rule 3: vulnerability → what indicates or exploits it → what sights that. Revoked objects lend nothing."""
    known: dict[str, set[str]] = defaultdict(set)
    live: list[dict[str, Any]] = [row for row in rows if not row["revoked"]]
    for row in live:
        known[row["signal_id"]] |= set(row["cve_ids"])
    for row in live:
        if row["kind"] == "relationship" and row["target_ref"].startswith("vulnerability--"):
            known[row["source_ref"]] |= known[row["target_ref"]]
            known[row["signal_id"]] |= known[row["target_ref"]]
    for row in live:
        if row["kind"] == "sighting":
            known[row["signal_id"]] |= known[row["target_ref"]]
    return [{**row, "cve_ids": sorted(known.get(row["signal_id"], set(row["cve_ids"])))} for row in rows]
