"""OpenVEX 0.2 documents: what an author says of vulnerabilities in products (openvex/spec, OPENVEX-SPEC.md).

The rules:

1. A row is one (vulnerability, product, subcomponent). A product is named by its purl (`identifiers.purl`, or `@id`).
2. A statement without a date has its document's. Of two on the same thing the later one wins, in one document and over
   documents (view vex_current); of equally late ones the one that worries most.
3. `not_affected` without a justification and without an impact statement says nothing that could be checked: it is left
   out. A status or a justification that the specification does not know is left out too.
4. Where the vulnerability has a CVE id among its aliases, that is its name here.
5. Purls of ecosystems that are not matched (golang, oci) are kept as text; they name no package.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from suture.feeds.decoded import Decoded, Rejected, Row, iso, kept
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.outside_text import line, names_a_cve, paragraph
from suture.feeds.package_names import Part, UnknownEcosystemError, part_of
from suture.feeds.strict_json import decode_document, decode_record
from suture.feeds.vendor_rows import Origin, vex_row, without_twins

TABLES = ("vex_statement",)
MAX_PRODUCTS = 20_000
_STATUS = ("not_affected", "affected", "fixed", "under_investigation")
JUSTIFICATIONS = frozenset({
    "component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
})  # fmt: skip


class Component(msgspec.Struct):
    id: str = msgspec.field(name="@id", default="")
    identifiers: dict[str, str] = msgspec.field(default_factory=dict)


class Product(Component):
    subcomponents: list[Component] = msgspec.field(default_factory=list)


class Vulnerability(msgspec.Struct):
    name: str
    aliases: list[str] = msgspec.field(default_factory=list)


class Statement(msgspec.Struct):
    vulnerability: Vulnerability
    status: str
    products: list[Product] = msgspec.field(default_factory=list)
    timestamp: datetime | None = None
    last_updated: datetime | None = None
    justification: str | None = None
    impact_statement: str | None = None
    action_statement: str | None = None
    status_notes: str | None = None


class Document(msgspec.Struct):
    context: str = msgspec.field(name="@context")
    id: str = msgspec.field(name="@id")
    author: str
    timestamp: datetime
    statements: list[msgspec.Raw]
    last_updated: datetime | None = None


def decode(
    raw: bytes, *, where: str, feed: str = "openvex", codename: str | None = None, **_options: object
) -> Decoded:  # fmt: skip
    """Rows of vex_statement; record ids are `<document id>#<statement number>`. Raises FeedFormatError."""
    document = decode_document(raw, Document, where=where)
    if not document.context.startswith("https://openvex.dev/ns"):
        raise FeedFormatError(where, f"@context: {document.context[:80]!r} is not OpenVEX")
    try:
        document.id, document.author = line(document.id, 500), line(document.author, 300)
    except ValueError as error:
        raise FeedFormatError(where, f"@id or author: {error}") from error
    if not document.id or not document.author:
        raise FeedFormatError(where, "@id and author must not be empty")
    origin = Origin(feed, feed, codename=codename)
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for number, item in enumerate(document.statements):
        name = f"{document.id}#{number}"
        try:
            found = decode_record(bytes(item), Statement, where=f"{where}, statements[{number}]")
            for row, fault in _rows(found, document, name, origin):
                if row is not None:
                    rows.append(row)
                if fault is not None:
                    rejected.append(Rejected(name, f"{where}, statements[{number}]: {fault}.", kept(item)))
        except FeedFormatError as error:
            rejected.append(Rejected(name, error.message, kept(item)))
        except ValueError as error:
            rejected.append(Rejected(name, f"{where}, statements[{number}]: {error}.", kept(item)))
    return Decoded(
        None,  # other documents may be older: each statement's own date says which is the later
        without_twins({"vex_statement": rows}),
        rejected,
        records=len(document.statements),
    )


def _rows(
    found: Statement, document: Document, name: str, origin: Origin
) -> Iterator[tuple[Row | None, str | None]]:  # fmt: skip
    """A row, or why a product gives none."""
    _refuse_empty_claim(found)
    if not found.products:
        raise ValueError("products: it names no product")
    if len(found.products) > MAX_PRODUCTS:
        raise ValueError(f"products: more than {MAX_PRODUCTS}")
    said: dict[str, Any] = {
        "record_id": name,
        "document_id": document.id,
        "author": document.author,
        "vulnerability": _vulnerability(found.vulnerability),
        "status": found.status,
        "justification": found.justification,
        "impact": _text(found.impact_statement or found.status_notes),
        "action": _text(found.action_statement),
        "dated_at": iso(found.last_updated or found.timestamp or document.last_updated or document.timestamp),
    }
    for number, product in enumerate(found.products):
        parts: list[Component | None] = [*product.subcomponents] or [None]
        for part in parts:
            try:
                yield vex_row(origin, **said, **_place(product, part)), None
            except ValueError as error:
                yield None, f"products[{number}]: {error}"


def _refuse_empty_claim(found: Statement) -> None:
    if found.status not in _STATUS:
        raise ValueError(f"status: {found.status[:40]!r} is none of {', '.join(_STATUS)}")
    if found.justification is not None and found.justification not in JUSTIFICATIONS:
        raise ValueError(f"justification: {found.justification[:60]!r} is not known")
    if found.status == "not_affected" and not (found.justification or found.impact_statement):
        raise ValueError("justification: not_affected needs one, or an impact_statement")


def _place(product: Product, part: Component | None) -> dict[str, Any]:
    named = _name(product)
    inner = _name(part) if part is not None else ""
    found = _part(inner or named)
    place: dict[str, Any] = {"product": named, "subcomponent": inner}
    if found is not None:
        place |= {
            "ecosystem": found.ecosystem, "package": found.package, "version": found.version,
            "codename": found.codename,
        }  # fmt: skip
    return place


def _part(name: str) -> Part | None:
    if not name.startswith("pkg:"):
        return None
    try:
        return part_of(name)
    except UnknownEcosystemError:
        return None


def _name(component: Component) -> str:
    name = component.identifiers.get("purl") or component.id or next(iter(component.identifiers.values()), "")
    if not name or len(name) > 1000 or not name.isprintable():
        raise ValueError("@id: it is empty, too long or holds control characters")
    return name


def _vulnerability(found: Vulnerability) -> str:
    names = [found.name, *found.aliases]
    name = next((name.upper() for name in names if names_a_cve(name)), found.name)
    if not name or len(name) > 100 or not name.isascii() or not name.isprintable():
        raise ValueError("vulnerability.name: it is no id")
    return name


def _text(text: str | None) -> str | None:
    return paragraph(text) if text else None


FORMAT = FeedFormat(name="openvex", decode=decode, tables=TABLES, complete=False, main_table="vex_statement")
