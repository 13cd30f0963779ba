"""A vendor's CVEs by the products that their records name: the query, the verb, the register, and old warehouses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import psycopg
import pytest

from suture.command.main import main
from suture.errors import BadInputError
from suture.feeds import FeedsPolicy, FeedStatus, load_files
from suture.policy import PolicyError
from suture.risk.affected import affected_cves
from suture.settings import PROJECT_ROOT
from suture.sourcing.cases import VendorRegister
from suture.store import Store, migrate
from suture.store.migrations import MIGRATIONS
from tests.fleet_rows import NOW

POLICY = PROJECT_ROOT / "include" / "policy"
VECTORS = {9.8: "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 7.8: "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"}
RANGE = {"version": "1.0", "status": "affected", "lessThan": "1.4"}


def record(number: int, month: int, score: float | None, *named: tuple[str, str], **metadata: Any) -> bytes:
    affected = [{"vendor": vendor, "product": product, "versions": [RANGE]} for vendor, product in named]
    metrics = [{"cvssV3_1": {"vectorString": VECTORS[score], "baseScore": score}}] if score else []
    return json.dumps({
        "dataType": "CVE_RECORD", "dataVersion": "5.1",
        "cveMetadata": {"cveId": f"CVE-2026-{number}", "state": "PUBLISHED", "datePublished": f"2026-{month:02d}-01T00:00:00Z",
                        "dateUpdated": "2026-05-01T00:00:00Z", **metadata},
        "containers": {"cna": {"providerMetadata": {"shortName": "acme"}, "title": f"t{number}", "affected": affected,
                               "metrics": metrics}},
    }).encode()  # fmt: skip


def put(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in (
        ("a", record(1000, 2, 9.8, ("Acme", "Anvil"), ("Acme", "Rocket"), ("Other", "Thing"))),
        ("b", record(1001, 4, None, ("ACME", "anvil"))),
        ("c", record(1002, 3, 7.8, ("acme", "Rocket \x1b[31m"))),
        ("d", record(1003, 3, 7.8, ("Acme Corporation", "Anvil"))),
    ):
        (folder / f"{name}.json").write_bytes(content)
    return folder


def load(store: Store, folder: Path) -> FeedStatus:
    return load_files(store, FeedsPolicy.load(POLICY).source("cve5"), [folder], now=NOW).status


@pytest.fixture
def loaded(store: Store, tmp_path: Path) -> Store:
    assert load(store, put(tmp_path / "copy")) is FeedStatus.ACCEPTED
    store._connection.execute("INSERT INTO kev (cve_id, date_added) VALUES ('CVE-2026-1002', '2026-03-05')")
    return store


@pytest.mark.database
def test_a_vendors_cves_come_newest_first_with_score_and_kev(loaded: Store) -> None:
    found = affected_cves(loaded, [("acme", None)])
    assert [(item.cve_id, item.score, str(item.kev_added)) for item in found] == [
        ("CVE-2026-1001", None, "None"), ("CVE-2026-1002", 7.8, "2026-03-05"), ("CVE-2026-1000", 9.8, "None"),
    ]  # fmt: skip
    assert [product.product for product in found[2].products] == ["Anvil", "Rocket"]  # not the other vendor's
    assert (found[2].score_source, found[2].products[0].ranges) == ("cna:acme", "1.0 to before 1.4")
    assert [item.cve_id[-4:] for item in affected_cves(loaded, [("Acme", "ANVIL")])] == ["1001", "1000"]
    both = [("Acme", "anvil"), ("acme corporation", None), ("acme", None)]
    assert [item.cve_id[-4:] for item in affected_cves(loaded, both)] == ["1001", "1003", "1002", "1000"]
    assert [item.cve_id[-4:] for item in affected_cves(loaded, both, max_rows=1)] == ["1001"]
    assert affected_cves(loaded, [("acm%", None)]) == []


@pytest.mark.database
@pytest.mark.parametrize(("named", "limit"), [([], 1), ([("", None)], 1), ([("a", "")], 1), ([("a\0", None)], 1), ([("a", None)], 0)])
def test_a_question_without_a_name_is_bad_input(store: Store, named: list[tuple[str, str | None]], limit: int) -> None:
    with pytest.raises(BadInputError):
        affected_cves(store, named, max_rows=limit)


@pytest.mark.database
def test_the_verb_and_the_register(
    loaded: Store, warehouse_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy"
    shutil.copytree(POLICY, policy)
    for name, value in (("WAREHOUSE_URL", warehouse_url), ("HOME", str(tmp_path)), ("POLICY_DIR", str(policy))):
        monkeypatch.setenv(f"SUTURE_{name}", value)
    assert main(["feed", "affected", "--vendor", "Acme", "--product", "rocket \x1b[31m", "--json"]) == 1  # as it is kept
    assert json.loads(capsys.readouterr().out) == []
    assert main(["feed", "affected", "--vendor", "Acme"]) == 0
    said = capsys.readouterr().out
    assert "2026-03-01  CVE-2026-1002  7.8 (cna:acme)  KEV since 2026-03-05  t1002" in said
    assert "no score" in said
    assert "Acme Anvil: 1.0 to before 1.4" in said
    assert "\x1b" not in said
    assert main(["feed", "affected", "--vendor", "nobody"]) == 1
    assert "No CVE record in the warehouse names nobody" in capsys.readouterr().out
    assert main(["feed", "affected", "--of", "debian"]) == 1
    assert "names Debian" in capsys.readouterr().out
    path = policy / "vendors.yaml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("{ vendor: Debian }", "{ vendor: acme, product: anvil }"), "utf-8")
    assert main(["feed", "affected", "--of", "debian", "--json"]) == 0
    assert [item["cve_id"] for item in json.loads(capsys.readouterr().out)] == ["CVE-2026-1001", "CVE-2026-1000"]
    assert main(["feed", "affected", "--of", "debian", "--product", "x"]) == 2
    assert main(["feed", "affected", "--of", "nobody"]) == 2
    path.write_text(text.replace("{ vendor: Debian }", "{ product: anvil }"), "utf-8")
    with pytest.raises(PolicyError, match="vendor"):
        VendorRegister.load(policy)
    lines = [line for line in text.splitlines(keepends=True) if "vendor: Debian" not in line and "cve_products" not in line]
    path.write_text("".join(lines), "utf-8")
    capsys.readouterr()
    assert main(["feed", "affected", "--of", "debian"]) == 2
    assert "Add cve_products to debian" in capsys.readouterr().err


@pytest.mark.database
def test_a_warehouse_from_before_gets_its_products_from_the_same_copy(postgres: Any, tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.mkdir()
    for path in MIGRATIONS.glob("*.sql"):
        if path.name < "0721":
            shutil.copy(path, older)
    postgres.create_database("test_products")
    try:
        url = postgres.dsn("test_products")
        migrate(url, folder=older)
        with psycopg.connect(url, autocommit=True) as connection:  # as a load of then left it
            connection.execute("SET search_path TO suture")
            connection.execute(
                "INSERT INTO feed_snapshot (source, url, status, content_sha256, etag, record_count, fetched_at) "
                "VALUES ('cve5', 'file:old', 'accepted', 'a', 'e', 1, now()), ('cve5', 'file:copy', 'accepted', 'b', 'e', 1, now()),"
                "('epss', 'file:epss', 'accepted', 'c', 'e', 1, now())"
            )
            connection.execute(
                "INSERT INTO cve (cve_id, state, source, modified_at, record_sha256, snapshot_id) SELECT 'CVE-2026-1000', "
                "'PUBLISHED', 'cve5', '2026-05-01', 'd', snapshot_id FROM feed_snapshot WHERE content_sha256 = 'b'"
            )
            connection.execute(
                "INSERT INTO cve_lookup (cve_id, source, status, etag, content_sha256, looked_up_at) "
                "VALUES ('CVE-2026-1000', 'cve5', 'found', 'e', 'f', now())"
            )
        migrate(url)
        with Store.connect(url) as store:
            kept = store._connection.execute("SELECT content_sha256 FROM feed_snapshot ORDER BY snapshot_id").fetchall()
            assert [row["content_sha256"] for row in kept] == ["a", None, "c"]
            row = store._connection.execute("SELECT etag, content_sha256 FROM cve_lookup").fetchone()
            assert row == {"etag": None, "content_sha256": None}
            assert load(store, put(tmp_path / "copy")) is FeedStatus.ACCEPTED
            assert len(affected_cves(store, [("acme", None)])) == 3
            assert load(store, tmp_path / "copy") is FeedStatus.UNCHANGED
    finally:
        postgres.drop_database("test_products")


@pytest.mark.database
def test_products_of_a_row_each_become_a_row_for_each_vendor(postgres: Any, tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.mkdir()
    for path in MIGRATIONS.glob("*.sql"):
        if path.name < "0781":
            shutil.copy(path, older)
    entries = [  # source, vendor, product, address, package, default status, versions
        ("cna:a", "Acme", "Anvil", None, None, "unaffected", [RANGE]),
        ("cna:a", "Acme", None, "https://example.org", "rocket", None, []),
        ("cna:a", None, None, None, "left-pad", None, []),
        ("cna:a", "Acme", "Last", None, None, None, [RANGE, RANGE]),
        ("adp:b", "Acme", "Last", None, None, None, []),
    ]
    postgres.create_database("test_entries")
    try:
        url = postgres.dsn("test_entries")
        migrate(url, folder=older)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET search_path TO suture")
            for cve_id in ("CVE-2026-1000", "CVE-2026-1001"):
                connection.execute("INSERT INTO cve (cve_id, state, source) VALUES (%s, 'PUBLISHED', 'cve5')", (cve_id,))
                for place, (*said, versions) in enumerate(entries):
                    connection.execute(
                        "INSERT INTO cve_product VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                        (cve_id, place, *said, json.dumps(versions)),
                    )
        migrate(url)
        with Store.connect(url) as store:
            found = store._connection.execute("SELECT * FROM cve_product WHERE cve_id = 'CVE-2026-1000' ORDER BY place").fetchall()
            assert [tuple(row.values())[1:] for row in found] == [
                (0, "cna:a", "Acme", [
                    {"product": "Anvil", "default_status": "unaffected", "versions": [RANGE]},
                    {"package_name": "rocket", "collection_url": "https://example.org", "versions": []},
                ]),
                (2, "cna:a", None, [{"package_name": "left-pad", "versions": []}]),
                (3, "cna:a", "Acme", [{"product": "Last", "versions": [RANGE, RANGE]}]),
                (4, "adp:b", "Acme", [{"product": "Last", "versions": []}]),
            ]  # fmt: skip
            (_first, second) = affected_cves(store, [("acme", "ROCKET"), ("acme", "last")])
            assert [(product.product, product.source) for product in second.products] == [
                ("rocket", "cna:a"), ("Last", "cna:a"), ("Last", "adp:b"),
            ]  # fmt: skip
            (first, _second) = affected_cves(store, [("acme", None)])
            assert [product.product for product in first.products] == ["Anvil", "rocket", "Last", "Last"]
    finally:
        postgres.drop_database("test_entries")
