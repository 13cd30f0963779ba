"""KEV: CISA's catalogue of known exploited vulnerabilities (its JSON schema, 2025).

One document. It says how many entries it has: fewer than it says is a truncated copy.
"""

from __future__ import annotations

import hashlib
import re
from datetime import date, datetime

import msgspec

from suture.feeds.decoded import Decoded, Rejected, Row, kept, utc
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.strict_json import decode_document, decode_record

TABLES = ("kev",)
_ID = re.compile(rb'"cveID"\s*:\s*"(CVE-[0-9]{4}-[0-9]{4,19})"')  # of an entry that cannot be read otherwise


class Entry(msgspec.Struct):
    cveID: str  # noqa: N815 - the feed's own names
    vulnerabilityName: str  # noqa: N815
    dateAdded: date  # noqa: N815
    dueDate: date | None = None  # noqa: N815
    knownRansomwareCampaignUse: str = "Unknown"  # noqa: N815


class Catalogue(msgspec.Struct):
    catalogVersion: str  # noqa: N815
    dateReleased: datetime  # noqa: N815
    count: int
    vulnerabilities: list[msgspec.Raw]


def decode(raw: bytes, *, where: str, **_options: object) -> Decoded:
    """Rows of `kev`. Raises FeedFormatError for a document that is no (whole) catalogue."""
    catalogue = decode_document(raw, Catalogue, where=where)
    if catalogue.count != len(catalogue.vulnerabilities):
        raise FeedFormatError(
            where, f"it says {catalogue.count} entries and holds {len(catalogue.vulnerabilities)}: not a whole copy"
        )
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for number, record in enumerate(catalogue.vulnerabilities):
        try:
            entry = decode_record(bytes(record), Entry, where=f"{where}, entry {number}")
        except FeedFormatError as error:
            named = _ID.search(record)
            rejected.append(Rejected(named[1].decode() if named else f"entry {number}", error.message, kept(record)))
            continue
        rows.append(
            {
                "record_id": entry.cveID,
                "cve_id": entry.cveID,
                "date_added": entry.dateAdded.isoformat(),
                "due_date": entry.dueDate.isoformat() if entry.dueDate else None,
                "known_ransomware": entry.knownRansomwareCampaignUse.casefold() == "known",
                "name": entry.vulnerabilityName,
                "record_sha256": hashlib.sha256(record).hexdigest(),
            }
        )
    return Decoded(utc(catalogue.dateReleased), {"kev": rows}, rejected, records=len(catalogue.vulnerabilities))


FORMAT = FeedFormat(name="kev", decode=decode, tables=TABLES, complete=True, main_table="kev")
