"""STIX 2.1 bundles, and TAXII 2.1 collections: objects.py reads them, transport.py fetches a collection."""

from suture.feeds.format import FeedFormat
from suture.feeds.sources.stix.objects import TABLES, decode
from suture.feeds.sources.stix.transport import fetch_collection

FORMAT = FeedFormat(
    name="stix", decode=decode, tables=TABLES, complete=False, main_table="threat_signal",
    transports={"taxii": fetch_collection},
)  # fmt: skip
