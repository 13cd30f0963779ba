"""Red Hat's CSAF 2.0 advisories (RHSA) and VEX files (one a CVE).

They are CSAF as in csaf_provider, with Red Hat's ways: the release is in the platform's CPE
(cpe:/o:redhat:enterprise_linux:9::baseos is el9), a package is a relationship of a component to that platform, its purl
carries epoch, architecture and module stream (rpmmod), and a VEX file names affected packages without any version.

Reads one document. Fetch them with the transport `csaf` from Red Hat's provider-metadata.json.
"""

from __future__ import annotations

from suture.feeds.decoded import Decoded
from suture.feeds.format import FeedFormat
from suture.feeds.sources.csaf_provider import fetch_documents, file_proof
from suture.feeds.sources.csaf_provider.document import TABLES, decode_csaf
from suture.feeds.vendor_rows import Origin


def decode(
    raw: bytes,
    *,
    where: str,
    feed: str = "redhat_csaf",
    advisory_source: str | None = None,
    suite: str = "",
    codename: str | None = None,
    **_options: object,
) -> Decoded:
    """Rows of TABLES; record ids are RHSA or CVE ids. Raises FeedFormatError."""
    return decode_csaf(raw, where=where, origin=Origin(feed, advisory_source or feed, suite, codename))


FORMAT = FeedFormat(
    name="redhat_csaf", decode=decode, tables=TABLES, complete=False, main_table="vex_statement",
    transports={"csaf": fetch_documents}, scorers=("vendor",), file_proof=file_proof,
)  # fmt: skip
