"""Hostile and broken input, for every source: each fault is named, and nothing that was good is lost."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import tarfile
import threading
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from suture.feeds import FeedOutcome, FeedSource, FeedsPolicy, FeedStatus, load_files
from suture.feeds.decoded import Decoded
from suture.feeds.errors import FeedFormatError, FeedRefusedError
from suture.feeds.outside_text import line
from suture.feeds.plugin import plugin_of
from suture.feeds.sources import FORMATS
from suture.feeds.unpack import unpacked
from suture.settings import PROJECT_ROOT
from suture.store import Store
from tests.fleet_rows import NOW

pytestmark = pytest.mark.database
SAMPLES = Path(__file__).parent / "samples"
# The sources that this file is about. (Others bring their own tests of bad input.)
SOURCES = {"kev": "kev.json", "epss": "epss.csv", "nvd": "nvd.json", "cve5": "cve5.json", "osv": "osv.json"}
MAIN = {"kev": "kev", "epss": "epss", "nvd": "cve", "cve5": "cve", "osv": "advisory"}
HOSTILE = [
    "{{ 7*7 }}", "{% for x in ().__class__.__bases__ %}", "<script>alert(1)</script>", "<!--#exec cmd='id'-->", "${jndi:ldap://x}",
    "'; DROP TABLE cve; --", "\x1b[2J\x07", "\u202etxt.exe", "%s%n%(x)s", "../../etc/passwd", "=HYPERLINK(\"x\")", "\\copy x from program",  # noqa: E501
]  # fmt: skip


def source(name: str, **changes: Any) -> FeedSource:
    known = FeedsPolicy.load(PROJECT_ROOT / "include" / "policy").source(name)
    return replace(
        known,
        **{"min_records": 0, "max_shrink_share": 1.0, "max_bytes": 200_000, "max_total_bytes": 400_000, **changes},
    )


def sample(name: str) -> bytes:
    return (SAMPLES / SOURCES[name]).read_bytes()


def load(store: Store, name: str, raw: bytes, folder: Path, *, file: str | None = None, **changes: Any) -> FeedOutcome:
    path = folder / (file or SOURCES[name])
    path.write_bytes(raw)
    return load_files(store, source(name, **changes), [path], now=NOW)


def held(store: Store, name: str) -> Any:
    """What the warehouse holds of a source's main table."""
    return store._connection.execute(f"SELECT * FROM {MAIN[name]} ORDER BY 1").fetchall()  # type: ignore[call-overload]


def reasons(store: Store) -> str:
    rows = store.fetch_all("feed/list_feed_quarantine", {"source": None, "max_rows": 100})
    return " ".join(f"{row['source']} {row['record_id']} {row['reason']}" for row in rows)


WHOLE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda raw: raw[: len(raw) // 2] + b'"', ""),
    "empty": (lambda _raw: b"", "it is empty"),
    "oversized": (lambda raw: raw + b" " * 500_000, "bytes"),
    "deeply nested": (lambda _raw: b'{"a":' * 50_000 + b"1" + b"}" * 50_000, ""),
    "UTF-16": (lambda raw: raw.decode().encode("utf-16"), ""),
    "latin-1": (lambda raw: raw[:-3] + b"\xe9\xff" + raw[-3:], ""),
    "gzip bomb": (lambda _raw: gzip.compress(b" " * 20_000_000), "more than the"),
    "broken gzip": (lambda raw: gzip.compress(raw)[:-20], "breaks off"),
    "HTML page": (lambda _raw: b"<!DOCTYPE html><html><body>503</body></html>", "web page"),
    "another document": (lambda _raw: b'{"hello": ["world"]}', ""),
    "byte order mark": (lambda raw: b"\xef\xbb\xbf" + raw, ""),
    "NUL bytes": (lambda _raw: b"\x00" * 1000, ""),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_broken_document_is_refused_whole_and_named(store: Store, tmp_path: Path, name: str) -> None:
    assert load(store, name, sample(name), tmp_path).status is FeedStatus.ACCEPTED
    before = held(store, name)
    assert before
    for fault, (change, why) in WHOLE.items():
        if (name, fault) == ("epss", "truncated"):
            continue  # of a CSV that breaks off, the floor and the broken line tell: a test of its own below
        outcome = load(store, name, change(sample(name)), tmp_path)
        assert outcome.status is FeedStatus.QUARANTINED, f"{fault}: {outcome.sentence}"
        assert outcome.reason, fault
        assert why in outcome.reason, fault
        assert SOURCES[name] in outcome.reason or name in outcome.reason, fault
        assert "The last good data stands." in outcome.sentence
        assert held(store, name) == before, fault


@pytest.mark.parametrize("name", ["kev", "osv"])
def test_what_tells_no_size_is_read_no_further_than_the_limit(store: Store, tmp_path: Path, name: str) -> None:
    """A pipe as a device: before, it was read to its end whatever that was, and /dev/zero took the machine's memory."""
    pipe = tmp_path / "feed.pipe"
    os.mkfifo(pipe)
    given = []

    def pour() -> None:
        with contextlib.suppress(BrokenPipeError), pipe.open("wb", buffering=0) as stream:
            for _ in range(500):
                given.append(stream.write(b" " * 10_000))

    pourer = threading.Thread(target=pour, daemon=True)
    pourer.start()
    outcome = load_files(store, source(name), [pipe], now=NOW)
    pourer.join(timeout=30)
    assert outcome.status is FeedStatus.QUARANTINED
    assert outcome.reason == f"{pipe}: it has more than the 400000 bytes that {name} may have."
    assert sum(given) < 1_000_000


def test_a_packed_file_that_is_refused_is_named(store: Store, tmp_path: Path) -> None:
    for raw, why in ((gzip.compress(b" " * 20_000_000), "inflates to more"), (gzip.compress(sample("kev"))[:-20], "breaks off")):
        outcome = load(store, "kev", raw, tmp_path, file="copy.json.gz")
        assert "copy.json.gz" in (outcome.reason or "")
        assert why in (outcome.reason or "")


def test_a_csv_that_breaks_off_loses_its_broken_line_or_is_below_the_floor(store: Store, tmp_path: Path) -> None:
    outcome = load(store, "epss", sample("epss")[:-22], tmp_path)
    assert (outcome.records, outcome.quarantined) == (1, 1), outcome.sentence
    outcome = load(store, "epss", sample("epss")[:-22].replace(b"2026-11-23", b"2026-11-24"), tmp_path, min_records=2)
    assert outcome.status is FeedStatus.QUARANTINED
    assert "expected at least 2" in (outcome.reason or "")


def _texts(value: Any, text: str) -> Any:
    """The document with `text` behind every text that is free text; ids, dates, vectors and the like stay as they are."""
    free = {
        "vulnerabilityName",
        "title",
        "summary",
        "shortDescription",
        "baseSeverity",
        "vendorProject",
        "knownRansomwareCampaignUse",
    }
    if isinstance(value, dict):
        return {
            key: item + text if key in free and isinstance(item, str) else _texts(item, text)
            for key, item in value.items()
        }
    return [_texts(item, text) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", ["kev", "nvd", "cve5", "osv"])
def test_hostile_text_is_kept_as_text(store: Store, tmp_path: Path, name: str) -> None:
    text = " ".join(HOSTILE)
    document = _texts(json.loads(sample(name)), text)
    outcome = load(store, name, json.dumps(document).encode(), tmp_path)
    assert outcome.status is FeedStatus.ACCEPTED, outcome.sentence
    rows = held(store, name)
    assert len(rows) == outcome.records
    if name != "nvd":  # it keeps none of NVD's free text
        kept = line(text) if name == "osv" else text  # OSV's is one line, without control characters
        assert any(kept in str(item) for row in rows for item in row.values())


def _every_text(value: Any, text: str) -> list[Any]:
    """The document once for each of its texts, that one replaced."""
    found: list[Any] = []
    if isinstance(value, dict):
        for key, item in value.items():
            changed = [text] if isinstance(item, str) else _every_text(item, text)
            found += [{**value, key: new} for new in changed]
    elif isinstance(value, list):
        for number, item in enumerate(value):
            changed = [text] if isinstance(item, str) else _every_text(item, text)
            found += [[*value[:number], new, *value[number + 1 :]] for new in changed]
    return found


def _decoded(name: str, document: Any) -> Decoded | FeedFormatError:
    """What a decoder makes of it; any other error than FeedFormatError is a fault of the decoder."""
    try:
        return FORMATS[name].decode(json.dumps(document).encode(), where="hostile.json", feed=name)
    except FeedFormatError as error:
        assert "hostile.json" in error.message  # noqa: PT017
        return error


@pytest.mark.parametrize("name", ["kev", "nvd", "cve5", "osv"])
def test_a_nul_in_any_field_costs_its_record_and_no_other(store: Store, tmp_path: Path, name: str) -> None:
    documents = _every_text(json.loads(sample(name)), "a\x00b")
    assert len(documents) > 5
    for document in documents:
        found = _decoded(name, document)
        if isinstance(found, Decoded):
            assert "\x00" not in str(found.tables)
            assert "\x00" not in str([(item.record_id, item.reason, item.record) for item in found.rejected])
    outcome = load(store, name, json.dumps(documents[-1]).encode(), tmp_path)
    assert outcome.status is FeedStatus.QUARANTINED or outcome.quarantined, outcome.sentence


@pytest.mark.parametrize(
    "bad",
    [b"\\ud83d", b"\\udc00 \\ud800", b"\xe9", b"\xed\xa0\x80", b"\xff\xfe", b"\\\\\\ud800"],
    ids=["half of a pair", "the halves the wrong way round", "latin-1", "a surrogate in UTF-8", "no UTF-8", "after a backslash"],
)
def test_what_is_no_character_costs_its_record_and_no_other(store: Store, tmp_path: Path, bad: bytes) -> None:
    """Before, one such text in a catalogue cost the whole copy."""
    raw = sample("kev").replace(b"Apache Log4j2 Remote", b"Apache " + bad + b" Remote")
    outcome = load(store, "kev", raw, tmp_path)
    assert (outcome.status, outcome.records, outcome.quarantined) == (FeedStatus.ACCEPTED, 1, 1), outcome.sentence
    assert "entry 1: it is not as it should be: a text holds a NUL character, or what is no character at all" in reasons(store)
    assert [row["cve_id"] for row in held(store, "kev")] == ["CVE-2023-44487"]


@pytest.mark.parametrize("good", ["\U0001f525", "\\\\ud800", "\\\\\\\\udc00 \\\\u0000", "\u00e9"])
def test_what_only_looks_like_it_is_kept(store: Store, tmp_path: Path, good: str) -> None:
    """A pair is one character, and an escaped backslash begins no escape; beside a text that is none, both stay what they are."""
    document = json.loads(sample("kev"))
    document["vulnerabilities"][0]["vulnerabilityName"] = good
    raw = json.dumps(document).encode().replace(b"Apache Log4j2 Remote", b"Apache \\ud800 Remote")
    assert load(store, "kev", raw, tmp_path).records == 1
    (row,) = held(store, "kev")
    assert row["name"] == good


@pytest.mark.parametrize("name", ["kev", "nvd"])
def test_a_document_whose_own_text_is_none_is_refused(store: Store, tmp_path: Path, name: str) -> None:
    for bad in (b"\\ud800", b"\xff"):
        key = {"kev": b'"catalogVersion": "', "nvd": b'"format": "'}[name]
        raw = json.dumps(json.loads(sample(name))).encode()
        assert key in raw
        assert load(store, name, raw.replace(key, key + bad), tmp_path).status is FeedStatus.QUARANTINED
    assert held(store, name) == []


@pytest.mark.parametrize("name", ["kev", "nvd", "cve5", "osv"])
def test_hostile_text_in_any_field_is_taken_as_text_or_left_out(store: Store, tmp_path: Path, name: str) -> None:
    checked = 0
    for text in (*HOSTILE, "9" * 5000, "-1", ""):
        for document in _every_text(json.loads(sample(name)), text):
            found = _decoded(name, document)
            checked += 1
            if isinstance(found, Decoded):
                guard = plugin_of(name).guard
                assert all(list(guard.shape.faults(table, rows)) is not None for table, rows in found.tables.items())
    assert checked > 100
    hostile = _every_text(json.loads(sample(name)), HOSTILE[5])
    for document in hostile[:: max(1, len(hostile) // 4)]:
        outcome = load(store, name, json.dumps(document).encode(), tmp_path)
        assert outcome.status in (FeedStatus.ACCEPTED, FeedStatus.QUARANTINED, FeedStatus.UNCHANGED), outcome.sentence
    assert load(store, name, sample(name), tmp_path).status is not FeedStatus.UNREACHABLE
    assert held(store, name)


DATED = {"nvd": '"lastModified": "', "cve5": '"dateUpdated": "'}


@pytest.mark.parametrize("name", DATED)
@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_a_moment_that_utc_cannot_tell_ends_no_sync(store: Store, tmp_path: Path, name: str, moment: str) -> None:
    raw = json.dumps(json.loads(sample(name)))
    assert DATED[name] in raw
    before, _, after = raw.partition(DATED[name])
    outcome = load(store, name, f"{before}{DATED[name]}{moment}{after[after.index(chr(34)) :]}".encode(), tmp_path)
    assert outcome.quarantined or outcome.status is FeedStatus.QUARANTINED, outcome.sentence


@pytest.mark.parametrize("name", sorted(path.stem for path in SAMPLES.iterdir() if path.suffix == ".json" and path.stem in FORMATS))
def test_no_decoder_falls_over_a_moment(name: str) -> None:
    path = SAMPLES / f"{name}.json"
    for moment in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "24:00"):
        for document in _every_text(json.loads(path.read_text("utf-8")), moment):
            _decoded(name, document)


def test_a_kev_entry_that_is_there_and_bad_is_not_called_gone(store: Store, tmp_path: Path) -> None:
    assert load(store, "kev", sample("kev"), tmp_path).records == 2
    document = json.loads(sample("kev"))
    document["dateReleased"] = "2026-11-21T15:00:00.000Z"
    document["vulnerabilities"][0]["dateAdded"] = "2099-01-01"  # the suite leaves it out
    assert load(store, "kev", json.dumps(document).encode(), tmp_path).quarantined == 1
    document["dateReleased"] = "2026-11-22T15:00:00.000Z"
    document["vulnerabilities"][0]["dateAdded"] = "tomorrow"  # the decoder leaves it out
    assert load(store, "kev", json.dumps(document).encode(), tmp_path).quarantined == 1
    assert "no longer in the catalogue" not in reasons(store)
    assert len(held(store, "kev")) == 2
    document["dateReleased"] = "2026-11-23T15:00:00.000Z"
    document |= {"vulnerabilities": document["vulnerabilities"][1:], "count": 1}
    load(store, "kev", json.dumps(document).encode(), tmp_path)
    assert "CVE-2023-44487 no longer in the catalogue; kept until a person removes it" in reasons(store)


def test_a_bad_record_names_file_record_and_field(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "records"
    folder.mkdir()
    good = json.loads(sample("cve5"))
    for number in range(3):
        record = json.loads(sample("cve5"))
        record["cveMetadata"]["cveId"] = f"CVE-2024-1000{number}"
        if number == 1:
            record["cveMetadata"]["datePublished"] = "2031-01-01T00:00:00Z"
        if number == 2:
            record["containers"]["cna"]["metrics"][0]["cvssV3_1"]["baseScore"] = 77
        (folder / f"CVE-2024-1000{number}.json").write_text(json.dumps(record), "utf-8")
    good["cveMetadata"]["cveId"] = 5
    (folder / "CVE-2024-10009.json").write_text(json.dumps(good), "utf-8")
    (folder / "CVE-2024-10010.json").write_text('{"a": 1, "a": 2}', "utf-8")
    outcome = load_files(store, source("cve5"), [folder], now=NOW)
    assert (outcome.records, outcome.quarantined) == (1, 4), outcome.sentence
    said = reasons(store)
    for file, field in (
        ("CVE-2024-10001.json", "cve.published_at"), ("CVE-2024-10002.json", "cve_score.base_score"),
        ("CVE-2024-10009.json", "cveId"), ("CVE-2024-10010.json", "'a' stands twice"),
    ):  # fmt: skip
        assert file in said
        assert field in said


def test_clocks_in_the_future_are_refused(store: Store, tmp_path: Path) -> None:
    for name, old, new in (
        ("kev", b"2026-11-20T15", b"2027-11-20T15"), ("epss", b"2026-11-23", b"2027-11-23"), ("nvd", b"2026-11-23T11", b"2027-11-23T11"),  # noqa: E501
        ("osv", b"2026-11-20T00", b"2027-11-20T00"),
    ):  # fmt: skip
        outcome = load(store, name, sample(name).replace(old, new), tmp_path)
        assert (outcome.status, "lies in the future" in (outcome.reason or "")) == (FeedStatus.QUARANTINED, True), name


def test_a_stale_score_date_is_refused(store: Store, tmp_path: Path) -> None:
    outcome = load(store, "epss", sample("epss").replace(b"2026-11-23", b"2026-11-10"), tmp_path)
    assert "older than the 96 hours allowed" in (outcome.reason or "")
    assert load(store, "epss", sample("epss"), tmp_path).ok
    older = replace(source("epss"), max_data_age=timedelta(days=900))
    (tmp_path / "old.csv").write_bytes(sample("epss").replace(b"2026-11-23", b"2026-11-22"))
    assert load_files(store, older, [tmp_path / "old.csv"], now=NOW).status is FeedStatus.REPLAYED


def test_ids_that_stand_twice_and_lines_that_are_none_are_named(store: Store, tmp_path: Path) -> None:
    lines = sample("epss") + b"CVE-2021-44228,0.1,0.2\nCVE-2020-1,2,0.1\nnonsense\nCVE-2020-1234,0.5,0.5\n"
    outcome = load(store, "epss", lines, tmp_path)
    assert (outcome.records, outcome.quarantined) == (2, 3), outcome.sentence
    said = reasons(store)
    for expected in ("stands more than once", "epss.probability is 2.0", "epss.csv, line 7: 1 fields"):
        assert expected in said


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def _tar(files: dict[str, bytes], link: str | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        if link:
            member = tarfile.TarInfo(link)
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(member)
    return packed.getvalue()


def _record(number: int, package: str | None = None) -> bytes:
    """One OSV record; CVE records in archives are loaded as a stream, and tested in test_bulk_load."""
    found = sample("osv").replace(b"SAMPLE-2026-1", f"SAMPLE-2026-{number}".encode())
    return found.replace(b"demo", (package or f"demo{number}").encode())


@pytest.mark.parametrize(("file", "pack"), [("all.zip", _zip), ("all.tar.gz", _tar)])
def test_archives_of_records_are_read_without_touching_the_disk(
    store: Store, tmp_path: Path, file: str, pack: Callable[[dict[str, bytes]], bytes]
) -> None:
    files = {
        "../../evil/10000.json": _record(10000),
        "b/10001.json": _record(10001),
        "README.md": b"x" * 10,
        "c/bad.json": b"{",
    }
    outcome = load(store, "osv", pack(files), tmp_path, file=file)
    assert (outcome.records, outcome.quarantined) == (2, 1), outcome.sentence
    assert "c/bad.json" in reasons(store)
    assert not (tmp_path.parent.parent / "evil").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [file]


def test_records_of_an_archive_that_name_the_same_fix_are_one_advisory(store: Store, tmp_path: Path) -> None:
    files = {"a.json": _record(10000, "demo"), "b.json": _record(10001, "demo")}
    outcome = load(store, "osv", _zip(files), tmp_path, file="all.zip")
    assert (outcome.status, outcome.records, outcome.quarantined) == (FeedStatus.ACCEPTED, 1, 0), outcome.sentence


ARCHIVES: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "bomb.zip": (_zip({"a.json": b" " * 5_000_000}), {}, "inflates to more than"),
    "many.zip": (_zip({f"{n}.json": b"{}" for n in range(20)}), {"max_files": 10}, "more than the 10 files"),
    "total.zip": (_zip({f"{n}.json": bytes([65 + n]) * 150_000 for n in range(5)}), {}, "bytes allowed in all"),
    "cut.zip": (_zip({"a.json": b"{}"})[:-30], {}, "no whole zip"),
    "bomb.tar.gz": (_tar({"a.json": b" " * 5_000_000}), {}, "bytes of"),
    "link.tar.gz": (_tar({"a.json": b"{}"}, link="b.json"), {}, "a link or a device"),
    "cut.tar.gz": (_tar({"a.json": b"{}" * 50_000})[:-40], {}, "no whole tar"),
    "nothing.tar.gz": (b"\x1f\x8b" + b"x" * 50, {}, "no whole tar"),
}


@pytest.mark.parametrize("file", ["a.json.gz", "a.zip", "gz-in.zip"])
def test_what_inflates_a_thousandfold_is_a_bomb_long_before_the_limit_of_bytes(file: str) -> None:
    blank = b" " * 5_000_000  # a tenth of what this source may have
    packed = {"a.json.gz": gzip.compress(blank), "a.zip": _zip({"a.json": blank}), "gz-in.zip": _zip({"a.gz": gzip.compress(blank)})}
    allowed = source("osv", max_bytes=50_000_000, max_total_bytes=50_000_000)
    with pytest.raises(FeedRefusedError, match=f"{file}.*inflates to more than the [12]"):
        list(unpacked(file, packed[file], allowed))


@pytest.mark.parametrize("file", ARCHIVES)
def test_a_hostile_archive_is_refused_whole(store: Store, tmp_path: Path, file: str) -> None:
    raw, changes, why = ARCHIVES[file]
    outcome = load(store, "osv", raw, tmp_path, file=file, **changes)
    assert outcome.status is FeedStatus.QUARANTINED, outcome.sentence
    assert why in (outcome.reason or "")
    assert file in (outcome.reason or "")
    assert held(store, "osv") == []
