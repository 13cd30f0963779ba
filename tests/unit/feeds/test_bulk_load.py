"""Bulk loads: the rows of the ordinary way, whole or not at all, and nothing written that is there already."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from suture.feeds import FeedOutcome, FeedsPolicy, FeedStatus, bulk, contradictions, load_files, staging
from suture.feeds.accept import Copy, accept
from suture.feeds.decoded import Decoded, merged
from suture.feeds.sources import FORMATS
from suture.feeds.sources.cve5 import TABLES, decode
from suture.settings import PROJECT_ROOT
from suture.store import Store, StoreError
from tests.fleet_rows import NOW, add_advisory

pytestmark = pytest.mark.database
SNAPSHOT = PROJECT_ROOT / "lab" / "feeds"
POLICY = FeedsPolicy.load(PROJECT_ROOT / "include" / "policy")
CVE5 = POLICY.source("cve5")


def record(number: int, *, title: str = "title", updated: str = "2026-03-01T00:00:00Z", **metadata: Any) -> bytes:
    cve_id = f"CVE-2026-{number}"
    vector = {
        "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
        "baseScore": 9.8,
        "baseSeverity": "CRITICAL",
    }
    found = {
        "dataType": "CVE_RECORD", "dataVersion": "5.1",
        "cveMetadata": {"cveId": cve_id, "state": "PUBLISHED", "datePublished": "2026-02-01T00:00:00Z",
                        "dateUpdated": updated, **metadata},
        "containers": {"cna": {"providerMetadata": {"shortName": "acme"}, "title": title, "metrics": [{"cvssV3_1": vector}]}},
    }  # fmt: skip
    return json.dumps(found).encode()


def put(folder: Path, **files: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_bytes(content)
    return folder


def load(store: Store, *paths: Path, **changes: Any) -> FeedOutcome:
    return load_files(store, replace(CVE5, **changes), paths, now=NOW)


def rows(store: Store, table: str, columns: str = "*") -> list[Any]:
    query = f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3"
    return [tuple(row.values()) for row in store._connection.execute(query).fetchall()]


def titles(store: Store) -> dict[str, str]:
    return {row[0]: row[1] for row in rows(store, "cve", "cve_id, title, state")}


def reasons(store: Store) -> dict[str, str]:
    return {row[0]: row[1] for row in rows(store, "feed_quarantine", "record_id, reason, source")}


def places(store: Store) -> list[Any]:
    return [
        rows(store, table, "ctid::text, xmin::text, cve_id") for table in ("cve", "cve_score", "cve_ssvc", "cve_product", "cve_lookup")
    ]


def test_the_rows_are_those_of_the_ordinary_way(store: Store, tmp_path: Path) -> None:
    columns = {
        "cve": "cve_id, state, title, cwe_ids, published_at, modified_at, source, record_kev, record_kev_added, record_sha256",
        "cve_score": "cve_id, source, cvss_version, vector, base_score, severity, dated_at",
        "cve_ssvc": "cve_id, source, dated_at, exploitation, automatable, technical_impact",
        "cve_product": "cve_id, place, source, vendor, products::text",
    }  # fmt: skip
    for number, path in enumerate(sorted((SNAPSHOT / "cve5").glob("*.json"))):  # they come without their products
        found = json.loads(path.read_bytes())
        found["containers"]["cna"]["affected"] = [
            {"vendor": f"acme{place % 3}", "product": f"anvil {place}", "defaultStatus": "unaffected",
             "packageName": "a\u202e" * place,
             "versions": [{"version": str(number), "status": "affected", "lessThan": "é" * place or "2"}] * place}
            for place in range(number % 4)
        ]  # fmt: skip
        put(tmp_path, **{path.stem: json.dumps(found).encode()})
    parts = [decode(path.read_bytes(), where=path.name) for path in sorted(tmp_path.glob("*.json"))]
    copy = Copy("cve5", "file:x", replace(merged(parts, TABLES), data_date=None), "0" * 64, "cve", ("cna", "adp"))
    assert accept(store, copy, now=NOW, actor="t").records == 62
    ordinary = {table: rows(store, table, what) for table, what in columns.items()}
    store._connection.execute("TRUNCATE cve, cve_score, cve_ssvc, cve_product")
    outcome = load(store, tmp_path)
    assert (outcome.status, outcome.records, outcome.quarantined) == (FeedStatus.ACCEPTED, 62, 0)
    assert {table: rows(store, table, what) for table, what in columns.items()} == ordinary
    assert len(ordinary["cve_score"]) > 40
    assert len(ordinary["cve_product"]) > 60


def test_products_are_replaced_with_their_record_and_gone_when_it_is_rejected(store: Store, tmp_path: Path) -> None:
    def with_products(number: int, month: int, *names: str, state: str = "PUBLISHED") -> bytes:
        found = json.loads(record(number, updated=f"2026-{month:02d}-01T00:00:00Z", state=state))
        version = [{"version": "0", "status": "affected", "lessThan": "2"}]
        found["containers"]["cna"]["affected"] = [{"vendor": "acme", "product": name, "versions": version} for name in names]
        return json.dumps(found).encode()

    def named() -> list[Any]:
        entries = "cve_product CROSS JOIN json_array_elements(products) WITH ORDINALITY AS entry (said, number)"
        return rows(store, entries, "cve_id, place + number - 1 AS place, said ->> 'product' AS product")

    folder = put(tmp_path / "copy", a=with_products(1000, 3, "x", "y"), b=with_products(1001, 3, "z"))
    load(store, folder)
    both = [("CVE-2026-1000", 0, "x"), ("CVE-2026-1000", 1, "y"), ("CVE-2026-1001", 0, "z")]
    assert named() == both
    where = rows(store, "cve_product", "ctid::text, xmin::text, cve_id")
    load(store, put(folder, a=with_products(1000, 2, "older")))  # an older copy of the record: left out
    assert (named(), rows(store, "cve_product", "ctid::text, xmin::text, cve_id")) == (both, where)
    load(store, put(folder, a=with_products(1000, 4, "w")))
    assert named() == [("CVE-2026-1000", 0, "w"), ("CVE-2026-1001", 0, "z")]
    nvd = Copy("nvd", "file:n", Decoded(None, {"cve": [], "cve_score": []}, records=1), "1" * 64, "cve", ("nvd",))
    accept(store, nvd, now=NOW, actor="t")
    assert len(named()) == 2  # who names no products takes none away
    ordinary = tmp_path / "one.json"
    ordinary.write_bytes(with_products(1001, 5, "z", state="REJECTED"))
    assert load(store, ordinary).records == 1  # by the ordinary way
    assert named() == [("CVE-2026-1000", 0, "w")]
    load(store, put(folder, a=with_products(1000, 6, "w", state="REJECTED")))
    assert named() == []


def test_an_unchanged_rerun_writes_no_row_and_one_change_writes_one(store: Store, tmp_path: Path) -> None:
    folder = put(tmp_path / "copy", **{f"r{number}": record(number) for number in range(1000, 1020)})
    assert load(store, folder).records == 20
    before = places(store)
    again = load(store, folder)
    assert (again.status, again.records, places(store)) == (FeedStatus.UNCHANGED, 20, before)
    put(folder, r1003=record(1003, title="new", updated="2026-04-01T00:00:00Z"))
    assert load(store, folder).records == 20
    after = places(store)
    assert [row[2] for row in after[0] if row not in before[0]] == ["CVE-2026-1003"]
    assert after[1] == before[1]  # its score says the same
    assert titles(store)["CVE-2026-1003"] == "new"


def test_a_score_that_is_said_no_longer_goes(store: Store, tmp_path: Path) -> None:
    folder = put(tmp_path / "copy", a=record(1000), b=record(1001))
    load(store, folder)
    store._connection.execute(
        "INSERT INTO cve_score (cve_id, source, cvss_version) VALUES ('CVE-2026-1000', 'nvd', '3.1')"
    )
    bare = record(1000, updated="2026-04-01T00:00:00Z").replace(b"cvssV3_1", b"cvssX")
    load(store, put(folder, a=bare))
    assert rows(store, "cve_score", "cve_id, source, cvss_version") == [
        ("CVE-2026-1000", "nvd", "3.1"), ("CVE-2026-1001", "cna:acme", "3.1"),
    ]  # fmt: skip


def test_a_bad_file_among_many_costs_itself_only(store: Store, tmp_path: Path) -> None:
    good = {f"r{number}": record(number) for number in range(1000, 1010)}
    bad = {
        "r2000": record(2000)[:90], "r2001": record(2001).replace(b"title", b"t\\u0000", 2), "r2002": b"\xff\xfe" + record(2002),
        "r2003": record(2003, title="caf\u00e9").replace(b"caf\\u00e9", b"caf\xe9"), "r2004": b"<html>503</html>", "r2005": b"",
        "r2006": b"[" * 100_000, "r2007": record(2007).replace(b'"state"', b'"state": "REJECTED", "state"'),
    }  # fmt: skip
    outcome = load(store, put(tmp_path / "copy", **good, **bad))
    assert (outcome.status, outcome.records, outcome.quarantined) == (FeedStatus.ACCEPTED, 10, len(bad))
    assert set(reasons(store)) == {f"{name}.json" for name in bad}
    assert all(name.removesuffix(".json") in reason for name, reason in reasons(store).items())
    assert len(titles(store)) == 10


def test_what_the_suite_refuses_is_left_out_with_its_reason(store: Store, tmp_path: Path) -> None:
    odd = record(1002).replace(b"9.8", b"98.0")
    outcome = load(store, put(tmp_path / "copy", a=record(1000), b=record(1001, state="MAYBE"), c=odd))
    assert (outcome.records, outcome.quarantined) == (1, 2)
    assert reasons(store) == {
        "CVE-2026-1001": f"{tmp_path}/copy/b.json, CVE-2026-1001: cve.state is 'MAYBE': an unknown state",
        "CVE-2026-1002": f"{tmp_path}/copy/c.json, CVE-2026-1002: cve_score.base_score is 98.0: "
        "a CVSS score lies between 0 and 10",
    }
    assert [row[0] for row in rows(store, "cve_score", "cve_id, source, vector")] == ["CVE-2026-1000"]


@pytest.mark.parametrize("batch", [1, 4000])
def test_an_id_that_stands_twice_counts_in_neither_form(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    monkeypatch.setattr(bulk, "BATCH", batch)
    load(store, put(tmp_path / "first", a=record(1000, title="kept"), c=record(1002, title="other")))
    later = "2026-05-01T00:00:00Z"
    copy = {
        "a": record(1000, title="one", updated=later), "b": record(1001), "c": record(1002, title="other"),
        "d": record(1000, title="two", updated=later), "e": record(1003, title="same"), "f": record(1003, title="same"),
        "g": record(1002, title="again", updated=later),
    }  # fmt: skip
    outcome = load(store, put(tmp_path / "second", **copy))
    assert outcome.status is FeedStatus.ACCEPTED
    assert titles(store) == {"CVE-2026-1000": "kept", "CVE-2026-1001": "title", "CVE-2026-1002": "other"}
    assert set(reasons(store)) == {"CVE-2026-1000", "CVE-2026-1002", "CVE-2026-1003"}
    assert all("stands more than once" in reason for reason in reasons(store).values())


def test_the_twin_of_an_unchanged_record_is_found_whichever_comes_first(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BATCH", 1)
    load(store, put(tmp_path / "first", m=record(1000, title="kept")))
    for name in ("a", "z"):
        folder = put(tmp_path / name, m=record(1000, title="kept"), x=record(1001))
        put(folder, **{name: record(1000, title=name, updated="2026-05-01T00:00:00Z")})
        load(store, folder)
        assert titles(store)["CVE-2026-1000"] == "kept", name


def test_a_replayed_record_is_left_out(store: Store, tmp_path: Path) -> None:
    load(store, put(tmp_path / "new", a=record(1000, title="new", updated="2026-05-01T00:00:00Z"), b=record(1001)))
    outcome = load(store, put(tmp_path / "old", a=record(1000, title="old"), b=record(1001), c=record(1002)))
    assert (outcome.records, outcome.quarantined) == (2, 1)
    assert titles(store)["CVE-2026-1000"] == "new"
    assert "older than the record we have" in reasons(store)["CVE-2026-1000"]


def test_a_load_names_its_snapshot_in_every_row_and_shows_what_contradicts(store: Store, tmp_path: Path) -> None:
    store._connection.execute(
        "INSERT INTO kev (cve_id, date_added, name) VALUES ('CVE-2026-1000', '2026-03-01', 'n'), ('CVE-2026-1002', '2026-03-01', 'n')"
    )
    marked = json.loads(record(1001))
    kev = {"other": {"type": "kev", "content": {"dateAdded": "2026-03-02"}}}
    ssvc = {"other": {"type": "ssvc", "content": {"options": [{"Exploitation": "none"}]}}}
    marked["containers"]["adp"] = [{"providerMetadata": {"shortName": "CISA-ADP"}, "metrics": [kev, ssvc]}]
    other = {**marked, "cveMetadata": {**marked["cveMetadata"], "cveId": "CVE-2026-1002"}}
    load(store, put(tmp_path / "copy", a=record(1000), b=json.dumps(marked).encode(), c=json.dumps(other).encode()))
    (snapshot,) = rows(store, "feed_snapshot", "snapshot_id, source, status")
    for table in ("cve", "cve_score", "cve_ssvc"):
        assert {row[0] for row in rows(store, table, "snapshot_id, cve_id, source")} == {snapshot[0]}, table
    assert {(found.kind.value, found.cve_id) for found in contradictions(store)} == {
        ("kev_not_in_record", "CVE-2026-1000"), ("record_not_in_kev", "CVE-2026-1001"),
        ("kev_dates_differ", "CVE-2026-1002"), ("kev_but_not_active", "CVE-2026-1002"),
    }  # fmt: skip


def test_lengths_that_the_sources_schema_allows_hold_for_a_stream(store: Store, tmp_path: Path) -> None:
    folder = put(tmp_path / "copy", a=record(1000, title="x" * 20000), b=record(1001, title="{" + "x" * 20000))
    assert load(store, folder).quarantined == 1
    assert "longer than 20000 characters" in reasons(store)["CVE-2026-1001"]


def test_a_record_that_was_asked_for_is_passed_over_when_it_comes_in_bulk(store: Store, tmp_path: Path) -> None:
    asked = Copy("cve5", "u", replace(decode(record(1000), where="w"), data_date=None), "1" * 64, "cve", ("cna", "adp"))
    accept(store, asked, now=NOW, actor="t")
    before = places(store)
    assert load(store, put(tmp_path / "copy", a=record(1000))).records == 1
    assert places(store) == before


def test_too_few_good_records_change_nothing(store: Store, tmp_path: Path) -> None:
    load(store, put(tmp_path / "good", a=record(1000)))
    before = places(store)
    outcome = load(store, put(tmp_path / "bad", a=record(1001), b=b"{"), min_records=2)
    assert outcome.status is FeedStatus.QUARANTINED
    assert "only 1 of 2" in (outcome.reason or "")
    nothing = load(store, put(tmp_path / "none", a=b"{"))
    assert nothing.status is FeedStatus.QUARANTINED
    assert places(store) == before
    assert "a.json" in nothing.sentence


def test_archives_and_lines_give_what_the_folder_gives(store: Store, tmp_path: Path) -> None:
    names = {f"cves/r{number}.json": record(number) for number in range(1000, 1005)}
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**names, "README.md": b"x"}.items():
            archive.writestr(name, content)
    for kind in ("tar", "tar.gz"):
        with tarfile.open(tmp_path / f"a.{kind}", "w:gz" if kind == "tar.gz" else "w") as tar:
            for name, content in names.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*names.values(), b""]))
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b"\n\n".join(names.values())))
    for name in ("a.zip", "a.tar", "a.tar.gz", "a.jsonl", "a.jsonl.gz"):
        store._connection.execute("TRUNCATE cve, cve_score, feed_snapshot CASCADE")
        assert load(store, tmp_path / name).sentence == "cve5: accepted, 5 records.", name
        assert len(rows(store, "cve_score")) == 5


def test_members_that_lead_out_links_and_bombs_are_left_out(
    store: Store, tmp_path: Path
) -> None:
    link = zipfile.ZipInfo("link.json")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.json", record(1000))
        for name in ("../out.json", "/root.json", "c:/x.json", "a\\..\\b.json"):
            archive.writestr(name, record(1001))
        archive.writestr(link, b"/etc/passwd")
        archive.writestr("bomb.json", b" " * 5_000_000 + record(1002))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (
            ("s.json", tarfile.SYMTYPE),
            ("h.json", tarfile.LNKTYPE),
            ("dev.json", tarfile.CHRTYPE),
            ("../x.json", b"0"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            tar.addfile(member)
        member = tarfile.TarInfo("good.json")
        member.size = len(record(1003))
        tar.addfile(member, io.BytesIO(record(1003)))
    os.symlink("/etc/passwd", put(tmp_path / "folder", good=record(1004)) / "link.json")
    outcome = load(store, tmp_path / "a.zip", tmp_path / "a.tar", tmp_path / "folder")
    assert (outcome.records, outcome.quarantined) == (3, 11)
    assert set(titles(store)) == {"CVE-2026-1000", "CVE-2026-1003", "CVE-2026-1004"}
    said = " ".join(reasons(store).values())
    assert all(word in said for word in ("leads out of the archive", "is a link", "inflates more than 400-fold"))
    for less in ({"max_total_bytes": 700}, {"max_files": 2}):
        refused = load(store, tmp_path / "a.zip", tmp_path / "a.tar", **less)
        assert (refused.status, "in one copy" in (refused.reason or "")) == (FeedStatus.QUARANTINED, True)
    small = load(store, tmp_path / "folder", max_bytes=len(record(1004)) - 1)
    assert "more than" in (small.reason or "")


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz", "a.jsonl.gz", "bomb.tar.gz"])
def test_an_archive_that_breaks_off_is_refused_whole(store: Store, tmp_path: Path, kind: str) -> None:
    content = os.urandom(400_000).hex().encode()
    packed = io.BytesIO()
    if kind == "a.zip":
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.json", record(1000))
            archive.writestr("b.json", content)
    elif kind == "a.jsonl.gz":
        packed.write(gzip.compress(record(1000) + b"\n" + content))
    else:
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            sizes = (("b.txt", content),) if kind == "a.tar.gz" else (("b.txt", bytes(30_000_000)), ("c.json", b"{}"))
            for name, body in (("a.json", record(1000)), *sizes):
                member = tarfile.TarInfo(name)
                member.size = len(body)
                tar.addfile(member, io.BytesIO(body))
    whole = packed.getvalue()
    (tmp_path / kind).write_bytes(whole if kind == "bomb.tar.gz" else whole[: len(whole) // 2])
    outcome = load(store, tmp_path / kind)
    assert outcome.status is FeedStatus.QUARANTINED, outcome.sentence
    assert kind in (outcome.reason or "")
    assert titles(store) == {}


def test_a_failing_warehouse_leaves_nothing(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    folder = put(tmp_path / "copy", **{f"r{number}": record(number) for number in range(1000, 1010)})
    store._connection.execute("ALTER TABLE cve ADD CONSTRAINT no_seven CHECK (cve_id <> 'CVE-2026-1007')")
    with pytest.raises(StoreError, match="no_seven"):
        load(store, folder)
    assert (titles(store), rows(store, "feed_snapshot")) == ({}, [])
    store._connection.execute("ALTER TABLE cve DROP CONSTRAINT no_seven")
    assert load(store, folder).records == 10


KILLED = """
import sys, time
sys.path.insert(0, sys.argv[1])
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from suture.feeds import FeedsPolicy, bulk, load_files
from suture.settings import PROJECT_ROOT
from suture.store import Store
bulk.BATCH = 1
def report(progress):
    if progress.records >= 5:
        print("half", flush=True)
        time.sleep(60)
with Store.connect(sys.argv[2]) as store:
    source = FeedsPolicy.load(PROJECT_ROOT / "include" / "policy").source("cve5")
    load_files(store, source, [Path(sys.argv[3])], now=datetime(2026, 11, 26, tzinfo=UTC), report=report)
"""


def test_a_killed_load_leaves_nothing_and_the_next_starts_over(
    store: Store, warehouse_url: str, tmp_path: Path
) -> None:
    folder = put(tmp_path / "copy", **{f"r{number}": record(number) for number in range(1000, 1010)})
    command = [sys.executable, "-c", KILLED, str(PROJECT_ROOT / "include"), warehouse_url, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    busy = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while store._connection.execute(busy).fetchall()[0]["n"] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (titles(store), rows(store, "feed_snapshot"), rows(store, "feed_quarantine")) == ({}, [], [])
    assert load(store, folder).records == 10


def test_a_record_that_came_in_bulk_need_not_be_asked_for(store: Store, tmp_path: Path) -> None:
    add_advisory(store, "nginx", "1.2-3", cves=("CVE-2026-1000",))
    load(store, put(tmp_path / "copy", a=record(1000), b=record(1001)))
    due = store.fetch_all(
        "feed/list_due_lookups", {"source": "cve5", "older_than": NOW.replace(year=2020), "max_rows": 10}
    )
    assert due == []
    assert [row[0] for row in rows(store, "cve_lookup")] == ["CVE-2026-1000"]


def test_the_ordinary_way_takes_a_bulk_record_over_and_bulk_reads_it_anew(store: Store, tmp_path: Path) -> None:
    folder = put(tmp_path / "copy", a=record(1000, title="bulk"), b=record(1001))
    load(store, folder)
    newer = decode(record(1000, title="asked", updated="2026-05-01T00:00:00Z"), where="w")
    copy = Copy("cve5", "u", replace(newer, data_date=None), "1" * 64, "cve", ("cna", "adp"))
    assert accept(store, copy, now=NOW, actor="t").records == 1
    outcome = load(store, folder)
    assert titles(store)["CVE-2026-1000"] == "asked"
    assert outcome.quarantined == 1


EPSS = "#model_version:v2025.03.14,score_date:2026-11-20T00:00:00+0000\ncve,epss,percentile\n"


def load_epss(store: Store, path: Path, text: str | bytes, **changes: Any) -> FeedOutcome:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = replace(POLICY.source("epss"), **{"min_records": 0, "max_data_age": None, **changes})
    return load_files(store, source, [path], now=NOW)


def test_epss_is_streamed_by_the_rules_of_its_source(store: Store, tmp_path: Path) -> None:
    text = EPSS + "CVE-2026-1000,0.5,0.9\nCVE-2026-1001,1.5,0.9\nCVE-2026-1002,x,0\nCVE-2026-1003,nan,0\nbad,0.1,0.1\n" + (
        "CVE-2026-1004,0.1,0.2\nCVE-2026-1004,0.3,0.2\n\nCVE-2026-1005,0.1\nCVE-2026-\x00,0.1,0.1\n"
    )  # fmt: skip
    outcome = load_epss(store, tmp_path / "a.csv.gz", gzip.compress(text.encode()))
    assert (outcome.status, outcome.records, outcome.quarantined) == (FeedStatus.ACCEPTED, 1, 7), outcome
    assert rows(store, "epss", "cve_id, probability, percentile") == [("CVE-2026-1000", 0.5, 0.9)]
    decoded = FORMATS["epss"].decode(text.encode(), where="w")
    assert len(decoded.tables["epss"]) == 6  # of which the suite refuses five
    before = rows(store, "epss", "ctid::text, xmin::text, cve_id")
    assert load_epss(store, tmp_path / "a.csv", text).status is FeedStatus.UNCHANGED
    assert load_epss(store, tmp_path / "b.csv", text + "CVE-2026-1009,0.2,0.2\n").records == 2
    assert rows(store, "epss", "ctid::text, xmin::text, cve_id")[:1] == before


@pytest.mark.parametrize(
    ("text", "changes", "why"),
    [
        (EPSS.replace("2026-11-20", "2026-11-10") + "CVE-2026-1000,0.9,0.9\n", {}, "accepted before"),
        (EPSS.replace("2026-11-20", "2027-01-01") + "CVE-2026-1000,0.9,0.9\n", {}, "future"),
        (EPSS + "CVE-2026-1000,0.9,0.9\n", {"min_records": 5}, "expected at least 5"),
        (EPSS, {}, "only 0 of 0"),
        (EPSS[20:] + "CVE-2026-1000,0.9,0.9\n", {}, "first line"),
        ("<html>", {}, "web page"),
        (b"", {}, "empty"),
        (EPSS.encode() + b"CVE-2026-1000,\xff,0.9\n", {}, "UTF-8"),
        (gzip.compress(EPSS.encode() + b"CVE-2026-1000,0.9,0.9\n")[:-9], {}, "breaks off"),
        (EPSS + "CVE-2026-1000,0.9,0.9\n", {"max_bytes": 100}, "100 bytes"),
    ],
)
def test_an_epss_copy_that_is_refused_changes_nothing(
    store: Store, tmp_path: Path, text: str | bytes, changes: dict[str, Any], why: str
) -> None:
    load_epss(store, tmp_path / "good.csv", EPSS + "CVE-2026-1000,0.5,0.9\nCVE-2026-1001,0.5,0.9\n")
    before = rows(store, "epss")
    outcome = load_epss(store, tmp_path / "bad.csv", text, **{"max_shrink_share": 1.0, **changes})
    assert not outcome.ok
    assert why in (outcome.reason or "")
    assert rows(store, "epss") == before


def test_two_feeds_that_write_the_same_new_cve_side_by_side_both_come_in(
    store: Store, warehouse_url: str
) -> None:
    found = merged([decode(record(1000), where="w")], TABLES)
    nvd = {table: [{**row, "source": "nvd"} for row in table_rows] for table, table_rows in found.tables.items()}
    said = Copy("nvd", "u", Decoded(None, nvd, records=1), "2" * 64, "cve", ("nvd",))
    with Store.connect(warehouse_url) as other, ThreadPoolExecutor(1) as pool:
        with store.transaction():
            staging.create(store, ("cve", "cve_score"))
            staging.fill(store, "cve", found.tables["cve"])
            staging.lock(store, ("cve",))
            waiting = pool.submit(accept, other, said, now=NOW, actor="t")
            deadline = time.monotonic() + 20
            locked = "SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            while not store._connection.execute(locked).fetchall()[0]["n"] and time.monotonic() < deadline:
                time.sleep(0.02)
            assert staging.merge(store, "cve", None) == 1
        assert waiting.result().status is FeedStatus.ACCEPTED
    assert rows(store, "cve", "cve_id, source, state") == [("CVE-2026-1000", "cve5", "PUBLISHED")]


def test_progress_is_told(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BATCH", 2)
    told: list[bulk.Progress] = []
    folder = put(tmp_path / "copy", **{f"r{number}": record(number) for number in range(1000, 1005)})
    load_files(store, CVE5, [folder], now=NOW, report=told.append)
    assert [progress.records for progress in told] == [2, 4, 5]
