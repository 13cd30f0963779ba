"""The lab's dated snapshot is what it says: the feeds' own formats, whole, with its gaps left open; and strict reading."""

from __future__ import annotations

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources import FORMATS
from suture.feeds.sources.cve5 import decode as decode_cve
from suture.feeds.strict_json import refuse_ambiguous
from suture.settings import PROJECT_ROOT

SNAPSHOT = PROJECT_ROOT / "lab" / "feeds"


def test_every_cve_record_decodes_without_a_loss() -> None:
    records = sorted((SNAPSHOT / "cve5").glob("*.json"))
    assert len(records) == 62
    for path in records:
        decoded = decode_cve(path.read_bytes(), where=path.name)
        assert decoded.rejected == []
        assert decoded.tables["cve"][0]["cve_id"] == path.stem


def test_the_gaps_are_left_open() -> None:
    assert not (SNAPSHOT / "cve5" / "CVE-2026-118899.json").exists()
    openssl = decode_cve((SNAPSHOT / "cve5" / "CVE-2026-84782.json").read_bytes(), where="openssl")
    by_source = {row["source"]: row for row in openssl.tables["cve_score"]}
    assert (by_source["cna:openssl"]["severity"], by_source["cna:openssl"]["base_score"]) == ("High", None)
    assert by_source["adp:CISA-ADP"]["base_score"] == 8.2
    http2 = decode_cve((SNAPSHOT / "cve5" / "CVE-2023-44487.json").read_bytes(), where="http2")
    assert http2.tables["cve_score"] == []


@pytest.mark.parametrize(
    ("name", "file", "records"), [("kev", "kev.json", 1), ("epss", "epss.csv", 0), ("nvd", "nvd.json", 0)]
)
def test_the_other_feeds_decode(name: str, file: str, records: int) -> None:
    assert FORMATS[name].decode((SNAPSHOT / file).read_bytes(), where=file).records == records


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"a": {"b": 1, "b": 2}}', "twice"), (b'{"a": NaN}', "NaN"), (b'{"a": 1e400}', "out of range"),
        (b'{"a": "x\\u0000y"}', "NUL"), (b'{"a": ' + b"[" * 61 + b"]" * 61 + b"}", "60 deep"), (b'\xef\xbb\xbf{}', "BOM"),
    ],
)  # fmt: skip
def test_json_that_parsers_read_differently_is_refused(raw: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        refuse_ambiguous(raw)


def test_a_written_backslash_is_no_nul() -> None:
    refuse_ambiguous(rb'{"title": "a \\u0000 in a text about NUL"}')


def test_ssvc_is_read_in_any_letter_case_and_unknown_values_are_said() -> None:
    record = b"""{"dataType": "CVE_RECORD", "dataVersion": "5.1", "cveMetadata": {"cveId": "CVE-2024-1", "state": "PUBLISHED"},
      "containers": {"cna": {}, "adp": [{"providerMetadata": {"shortName": "CISA-ADP"}, "metrics": [{"other": {"type": "SSVC",
      "content": {"options": [{"exploitation": "Public PoC"}, {"AUTOMATABLE": "Yes"}, {"technical_impact": "huge"}]}}}]}]}}"""
    decoded = decode_cve(record, where="record")
    (row,) = decoded.tables["cve_ssvc"]
    assert (row["exploitation"], row["automatable"], row["technical_impact"]) == ("poc", "yes", None)
    assert "huge" in decoded.rejected[0].reason


def test_another_format_is_named() -> None:
    with pytest.raises(FeedFormatError, match="not a CVE record 5"):
        decode_cve(
            b'{"dataType": "CVE_RECORD", "dataVersion": "4.0", "cveMetadata": {"cveId": "x", "state": "y"}, '
            b'"containers": {"cna": {}}}',
            where="record",
        )
