"""The feeds' formats: one folder each. A new one is a folder with `decode` and `TABLES`, a line here, its suites in
include/expectations/ and an entry in include/policy/feeds.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from suture.feeds.decoded import Decoder
from suture.feeds.sources import cve5, epss, kev, nvd, osv


@dataclass(frozen=True)
class FeedFormat:
    """tables: which rows it gives. complete: each copy holds everything, so what it no longer names is gone."""

    name: str
    decode: Decoder
    tables: tuple[str, ...]
    complete: bool


FORMATS: Mapping[str, FeedFormat] = {
    "kev": FeedFormat("kev", kev.decode, kev.TABLES, complete=True),
    "epss": FeedFormat("epss", epss.decode, epss.TABLES, complete=True),
    "cve5": FeedFormat("cve5", cve5.decode, cve5.TABLES, complete=False),
    "nvd": FeedFormat("nvd", nvd.decode, nvd.TABLES, complete=False),
    "osv": FeedFormat("osv", osv.decode, osv.TABLES, complete=True),
}
