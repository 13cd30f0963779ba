"""Records of CVEs for the compiled reader, and what Python makes of each that it takes."""

from __future__ import annotations

import atexit
import copy
import hashlib
import json
import random
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from suture.feeds import bulk_reading, compiled_reading, cve_rows, packed
from suture.feeds.bulk_reading import Chunk, Reading
from suture.feeds.compiled_reading import CompiledReader
from suture.feeds.errors import FeedFormatError
from suture.feeds.staging import OF_RECORD
from suture.settings import PROJECT_ROOT
from tests.unit.feeds.test_bulk_reading import reading

SNAPSHOT_ID = 4711
REAL = [path.read_bytes() for path in sorted((PROJECT_ROOT / "lab" / "feeds" / "cve5").glob("*.json"))]
SAMPLE = (PROJECT_ROOT / "tests" / "unit" / "feeds" / "samples" / "cve5.json").read_bytes()
VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
CVSS: dict[str, Any] = {"vectorString": VECTOR, "baseScore": 9.8, "baseSeverity": "CRITICAL"}
OPTIONS = [{"Exploitation": "poc"}, {"Automatable": "no"}, {"Technical Impact": "total"}]
SSVC = {"type": "ssvc", "content": {"timestamp": "2025-03-01T00:00:00.123456Z", "options": OPTIONS, "version": "2.0.3"}}
KEV = {"type": "kev", "content": {"dateAdded": "2024-03-01", "reference": "https://example.org"}}
# One record with every field that is used, and each value in it but once where it can be.
FULL: dict[str, Any] = {
    "dataType": "CVE_RECORD", "dataVersion": "5.1",
    "cveMetadata": {"cveId": "CVE-2024-1234", "state": "PUBLISHED", "assignerShortName": "giver", "serial": 7,
                    "datePublished": "2024-02-29T23:59:59.123Z", "dateUpdated": "2025-01-02T03:04:05"},
    "containers": {
        "cna": {
            "providerMetadata": {"shortName": "acme", "dateUpdated": "2024-12-31T23:59:59.654321Z"},
            "title": "Über\nall",
            "problemTypes": [{"descriptions": [{"cweId": "CWE-79", "lang": "en"}, {"cweId": "CWE-100"}]}],
            "metrics": [{"cvssV3_1": CVSS, "cvssV4_0": {"vectorString": "", "baseScore": 10}},
                        {"cvssV2_0": {"baseScore": 5.0}}],
            "affected": [
                {"vendor": "anvils", "product": "anvil 2", "defaultStatus": "unaffected", "versions": [
                    {"version": "1.0", "status": "affected", "lessThan": "1.5", "versionType": "semver",
                     "changes": [{"at": "1.4", "status": "unknown"}]},
                    {"version": "2", "status": "affected", "lessThanOrEqual": "2.9"}]},
                {"vendor": "anvils", "packageName": "anvil/core", "collectionURL": "https://example.org/a"},
                {"product": "nobodys"}, {"vendor": "others", "versions": []}],
            "descriptions": [{"lang": "de", "value": "{[\\\"'"}],
        },
        "adp": [{"providerMetadata": {"shortName": "CISA-ADP"}, "metrics": [{"other": SSVC}, {"other": KEV}]},
                {"title": "another", "metrics": [{"cvssV3_0": {"vectorString": "V", "baseScore": 0.1}}],
                 "affected": [{"vendor": "others", "product": "x"}]}],
    },
}  # fmt: skip
TEXT = json.dumps(FULL, ensure_ascii=False)


def new_reader(snapshot_id: int | None) -> CompiledReader:
    found = compiled_reading.reader(snapshot_id)
    assert found is not None
    return found


@cache
def reader() -> CompiledReader:
    return new_reader(SNAPSHOT_ID)


atexit.register(reader.cache_clear)


def is_text(raw: bytes) -> bool:
    return bulk_reading._is_utf8(raw)


def by_python(raw: bytes, digest: bytes, read: Any = cve_rows.rows_of) -> dict[str, bytes] | None:
    """What the rows of a record are, packed; None where it is refused, or a part of it."""
    try:
        rows = read(raw, digest, where="w")
    except FeedFormatError:
        return None
    if rows.rejected:
        return None
    tables = bulk_reading._tables([("w", rows)])
    made = {}
    for table, found in tables.items():
        edges = packed.edges(len(cve_rows.COLUMNS[table]), None if table in OF_RECORD else SNAPSHOT_ID)
        made[table] = b"".join(bulk_reading._PACKERS[table](row, *edges) for row in found)
    return made


def taken(raws: Sequence[bytes]) -> list[bool]:
    """Which of them the compiled reader takes; each one that it takes is compared with what Python makes of it."""
    which: list[bool] = []
    for start in range(0, len(raws), 500):
        some = [(hashlib.sha256(raw).digest(), raw) for raw in raws[start : start + 500]]
        fit = [item for item in some if is_text(item[1])]
        found = reader().read(fit)
        assert found is not None
        mine = [item for item, took in zip(fit, found.taken, strict=True) if took]
        truths = [by_python(raw, digest) for digest, raw in mine]
        same = None not in truths and found.packed == {
            table: b"".join(truth[table] for truth in truths if truth) for table in cve_rows.COLUMNS
        }
        for (digest, raw), truth in zip([] if same else mine, truths if not same else [], strict=True):
            alone = reader().read([(digest, raw)])
            assert alone is not None
            assert alone.packed == truth, raw
        assert same
        took = iter(found.taken)
        which += [is_text(raw) and next(took) for _digest, raw in some]
    return which


def takes(text: str) -> bool:
    return taken([text.encode("utf-8", "surrogatepass")])[0]


def shuffled(node: Any, rand: random.Random) -> Any:
    if isinstance(node, list):
        return [shuffled(item, rand) for item in node]
    if not isinstance(node, dict):
        return node
    items = [(key, shuffled(value, rand)) for key, value in node.items() if value != "gone"]
    rand.shuffle(items)
    return dict(items)


def odd(rand: random.Random) -> str:
    """A whole record with values that are odd and valid, its keys in any order."""
    pick = rand.choice
    dates = ["gone", None, "2024-02-29T00:00:00Z", "1999-12-31T23:59:59", "0001-01-01T00:00:00.001",
             "9999-12-31T23:59:59.999999Z",
             "2000-03-01T00:00:00.000Z", "2100-02-28T12:00:00Z", "1600-02-29T00:00:00Z"]  # fmt: skip
    names = ["CISA-ADP", "cisa", "Cisa-ADP", "CVE", "acme", "acme", "", "gone", "xCISA", "a  b ", "CIS"]
    lines = ["gone", None, "a", "b", "a b c", "x" * 500, "~!#$%&'()*+,-./:;<=>?@[]^_`{|}"]
    status = ["affected", "unaffected", "unknown"]

    def cvss() -> Any:
        found = {"vectorString": pick(["", "V", "W", VECTOR]), "baseScore": pick([0, 0.0, 10, 10.0, 7, 0.1, 9.9, 4.3]),
                 "baseSeverity": pick(["gone", None, "", "HIGH", "low"]),
                 "version": pick(["3.1", 3.1, None])}  # fmt: skip
        return pick([found, found, {**found, "vectorString": "W", "baseScore": pick([None, "gone"])}, None, "gone"])

    def other() -> Any:
        options: list[Any] = [{"Exploitation": pick(["none", "poc", "active"])}, {"Automatable": pick(["yes", "no"])},
                              {"Technical Impact": pick(["partial", "total"])}, {"Exploitation": pick(["none", "poc"])}]
        rand.shuffle(options)
        options += [{"Exploitation": "active", "Automatable": "yes", "Technical Impact": "total"}]
        options = options[: pick([4, 5])] if pick([0, 1]) else options[4:]  # each point at least once
        ssvc = {"type": "ssvc", "id": 1, "content": {"timestamp": pick(dates), "options": options}}
        day = pick(["2024-02-29", "2021-11-03", "1999-12-31T00:00:00Z", "0001-01-01", "9999-12-31", "2000-02-29x"])
        kev = {"type": "kev", "content": {"dateAdded": day, "reference": "r", "timestamp": pick(dates)}}
        return pick([ssvc, ssvc, kev, None, "gone"])

    def version() -> Any:
        changes = [{"at": pick(["1", "2 3"]), "status": pick(status), "x": 1} for _number in range(pick([1, 2]))]
        return {"version": pick(lines[2:]), "status": pick(status), "lessThan": pick(lines),
                "lessThanOrEqual": pick(lines), "versionType": pick(lines),
                "changes": pick(["gone", None, changes])}  # fmt: skip

    def entry() -> Any:
        found = {"vendor": pick(["gone", None, "v", "v", "w"]), "product": pick(lines), "packageName": pick(lines),
                 "repo": None, "collectionURL": pick(lines), "defaultStatus": pick(["gone", None, *status]),
                 "versions": pick(["gone", None, [], [version() for _number in range(pick([1, 3]))]])}  # fmt: skip
        named = any(found[key] not in ("gone", None) for key in ("vendor", "product", "packageName"))
        return found if named else {**found, "vendor": pick(["v", "w"])}

    def container() -> Any:
        keys = [f"cvssV{key}" for key in ("2_0", "3_0", "3_1", "4_0")]
        metrics = [{**{key: cvss() for key in keys}, "other": other()} for _number in range(pick([0, 1, 3]))]
        cwes = [{"cweId": pick(["gone", None, "", "CWE-1", "CWE-20", "CWE-3"])} for _number in range(pick([0, 1, 3]))]
        return {
            "providerMetadata": pick([{"shortName": pick(names), "dateUpdated": pick(dates)}, "gone"]),
            "x": [[{"y": -0.5}]],
            "title": pick(["gone", None, "", "t", "acme", "x" * 200]), "metrics": pick(["gone", metrics, metrics]),
            "problemTypes": pick(["gone", [], [{"descriptions": cwes}], [{}, {"descriptions": cwes}]]),
            "affected": pick(["gone", None, [], [entry() for _number in range(pick([1, 2, 5]))]]),
        }  # fmt: skip

    cna = {**container(), "title": pick(["gone", None, "", "ü\u2028\x7f€😀", 'a\\"/\n\t\b\f\r\u0001', "x" * 3000])}
    found = {
        "dataType": "CVE_RECORD", "dataVersion": pick(["5.0", "5.1", "5.2.0", "5."]),
        "cveMetadata": {"cveId": pick(["CVE-1999-0001", "CVE-2024-1234567890123456789", "CVE-0000-0000"]),
                        "state": pick(["PUBLISHED", "PUBLISHED", "PUBLISHED", "REJECTED"]),
                        "assignerShortName": pick(["gone", "", "mitre"]), "datePublished": pick(dates),
                        "dateUpdated": pick(dates)},
        "containers": {"cna": cna, "adp": pick(["gone", [], [container() for _number in range(pick([1, 2, 4]))]])},
    }  # fmt: skip
    ascii_only = pick([True, False]) and "😀" not in str(cna["title"])
    blanks = [(", ", ": "), (",", ":"), ("\n,\t", " \r:\n")]
    layout: dict[str, Any] = {"separators": pick(blanks), "indent": pick([None, None, 1])}
    return json.dumps(shuffled(found, rand), ensure_ascii=ascii_only, **layout)


def odd_records(count: int, first: int = 0) -> list[bytes]:
    return [odd(random.Random(seed)).encode() for seed in range(first, first + count)]


Items = Sequence[tuple[str, Any]]


def fields(rows: bytes) -> Iterator[tuple[bytes | None, ...]]:
    """The rows of PostgreSQL's binary COPY format."""
    at = 0
    while at < len(rows):
        (count,) = struct.unpack_from(">h", rows, at)
        at, found = at + 2, []
        for _field in range(count):
            (size,) = struct.unpack_from(">i", rows, at)
            at += 4 + max(size, 0)
            found.append(rows[at - size : at] if size >= 0 else None)
        yield tuple(found)


def told(chunk: Chunk) -> Any:
    """All that a chunk says; the order of its rows and ids is of no account."""
    rows = {table: Counter(fields(found)) for table, found in chunk.packed.items()}
    rejected = Counter(repr(item) for item in chunk.rejected)
    return chunk.records, chunk.audit, chunk.size, Counter(chunk.ids), chunk.known, rejected, chunk.rows, rows


def ready(**changes: Any) -> Reading:
    found = reading(**changes)
    found.prepare()
    return found


def same(items: Items, **changes: Any) -> Chunk:
    """The chunk with the compiled reader, once it is seen to be the chunk without."""
    found, truth = ready(**changes)(items), ready(compiled=False, **changes)(items)
    assert told(found) == told(truth)
    return found


def record(number: int, **changes: Any) -> bytes:
    found = copy.deepcopy(FULL)
    found["cveMetadata"] |= {"cveId": f"CVE-2024-{number}", **changes}
    return json.dumps(found).encode()


def plain(count: int) -> list[tuple[str, Any]]:
    return [(f"r{number}", record(number)) for number in range(1000, 1000 + count)]
