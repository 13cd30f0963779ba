"""All of a folder of real documents, where SUTURE_TEST_DATA names one (folders debian, csaf, openvex, stix, osv).

The counts are of: DSA and DLA lists to April 2023 (Debian security tracker), 59 CISA CSAF documents of 2024, 14 OpenVEX
documents (rancher/vexhub), STIX 2.1 bundles of the validator's examples, 120 PyPI records (pypa/advisory-database).
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from suture.feeds.decoded import Rejected
from suture.feeds.errors import FeedFormatError
from suture.feeds.sources import FORMATS
from suture.feeds.sources.csaf_provider.proof import require_hash

DATA = os.environ.get("SUTURE_TEST_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="SUTURE_TEST_DATA names no folder of real documents: NOT TESTED ON THEM"
)


def decoded(folder: str, name: str, pattern: str) -> tuple[Counter[str], list[Rejected], list[str]]:
    """(documents, records and rows by table; what was left out; documents refused whole)."""
    counts: Counter[str] = Counter()
    rejected: list[Rejected] = []
    refused: list[str] = []
    for path in sorted((Path(str(DATA)) / folder).glob(pattern)):
        try:
            found = FORMATS[name].decode(path.read_bytes(), where=path.name)
        except FeedFormatError as error:
            refused.append(error.message)
            continue
        counts += Counter(documents=1, records=found.records)
        counts += Counter({table: len(rows) for table, rows in found.tables.items()})
        rejected += found.rejected
    print(name, dict(counts), f"{len(rejected)} left out, {len(refused)} refused")
    return counts, rejected, refused


def test_every_dsa_and_dla() -> None:
    counts, rejected, refused = decoded("debian", "debian_lists", "D*A-list")
    assert (rejected, refused) == ([], [])
    assert counts["records"] == counts["advisory_revision"] == 5406 + 3534


def test_every_csaf_document_and_its_hash() -> None:
    counts, rejected, refused = decoded("csaf", "csaf_provider", "*.json")
    assert (rejected, refused, counts["documents"]) == ([], [], 59)
    assert counts["vex_statement"] == 725
    for path in sorted((Path(str(DATA)) / "csaf").glob("*.json")):
        hash_file = path.with_name(f"{path.name}.sha512")
        require_hash(hash_file.read_bytes(), path.read_bytes(), file_name=path.name, address=hash_file.name)


def test_every_openvex_statement() -> None:
    counts, rejected, refused = decoded("openvex", "openvex", "*")
    assert (rejected, refused, counts["documents"], counts["records"]) == ([], [], 14, 950)
    assert counts["vex_statement"] == 872  # the others say the same thing of the same product again


def test_every_stix_bundle() -> None:
    counts, rejected, refused = decoded("stix", "stix", "*.json")
    assert (rejected, counts["documents"], counts["threat_signal"]) == ([], 7, 179)
    assert refused
    assert all("neither a STIX bundle nor a TAXII envelope" in reason for reason in refused)


def test_every_osv_record() -> None:
    counts, rejected, refused = decoded("osv", "osv", "*")
    assert (rejected, refused, counts["documents"], counts["advisory"]) == ([], [], 120, 120)
