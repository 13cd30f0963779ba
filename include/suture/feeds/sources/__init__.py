"""The feeds' formats: one folder each. A new one is a folder with `decode` and `TABLES`, a line here, its suites in
include/expectations/ and an entry in include/policy/feeds.yaml."""

from __future__ import annotations

from collections.abc import Mapping

from suture.feeds.format import FeedFormat
from suture.feeds.sources import (
    atom,
    csaf_provider,
    cve5,
    debian_lists,
    debian_tracker,
    epss,
    kev,
    mbox,
    nvd,
    openvex,
    osv,
    redhat_csaf,
    stix,
    ubuntu_usn,
)  # fmt: skip

_VENDORS = (
    atom, csaf_provider, debian_lists, debian_tracker, mbox, openvex, osv, redhat_csaf, stix, ubuntu_usn,
)  # fmt: skip

FORMATS: Mapping[str, FeedFormat] = {
    "kev": FeedFormat("kev", kev.decode, kev.TABLES, complete=True, main_table="kev"),
    "epss": FeedFormat("epss", epss.decode, epss.TABLES, complete=True, main_table="epss"),
    "cve5": FeedFormat("cve5", cve5.decode, cve5.TABLES, complete=False, main_table="cve", scorers=("cna", "adp")),
    "nvd": FeedFormat("nvd", nvd.decode, nvd.TABLES, complete=False, main_table="cve", scorers=("nvd",)),
    **{module.FORMAT.name: module.FORMAT for module in _VENDORS},
}
