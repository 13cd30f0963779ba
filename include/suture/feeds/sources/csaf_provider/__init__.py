"""Any CSAF provider (OASIS CSAF 2.0, section 7): its provider-metadata.json, then ROLIE feeds or directories, then each
document with its hash and its signature.

products.py reads the product tree, document.py makes the rows, listing.py reads what a provider lists, proof.py checks
hash and signature, transport.py walks it all. Reads one document.
"""

from __future__ import annotations

from typing import Any

from suture.feeds.decoded import Decoded
from suture.feeds.format import FeedFormat
from suture.feeds.sources.csaf_provider.document import TABLES, decode_csaf
from suture.feeds.vendor_rows import Origin


def decode(
    raw: bytes,
    *,
    where: str,
    feed: str = "csaf_provider",
    advisory_source: str | None = None,
    suite: str = "",
    codename: str | None = None,
    **_options: object,
) -> Decoded:
    """Rows of TABLES; record ids are tracking ids. Raises FeedFormatError."""
    return decode_csaf(raw, where=where, origin=Origin(feed, advisory_source or feed, suite, codename))


def fetch_documents(*asked: Any) -> Any:
    """As in transport.py, which is imported when it is used: it brings all that checks signatures, a fifth of the time that
    every command with feeds takes to start."""
    from suture.feeds.sources.csaf_provider import transport

    return transport.fetch_documents(*asked)


def file_proof(*asked: Any) -> Any:
    """As in proof.py, which is imported when it is used, for the same reason."""
    from suture.feeds.sources.csaf_provider import proof

    return proof.beside(*asked)


FORMAT = FeedFormat(
    name="csaf_provider", decode=decode, tables=TABLES, complete=False, main_table="vex_statement",
    transports={"csaf": fetch_documents}, scorers=("vendor",), file_proof=file_proof,
)  # fmt: skip
