"""Affected products of CVE records: what is read, what is mended, cut and left out, and the same both ways."""

from __future__ import annotations

import copy
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.feeds import affected, cve_rows
from suture.feeds.sources.cve5 import decode
from suture.settings import PROJECT_ROOT

RECORD: dict[str, Any] = json.loads((PROJECT_ROOT / "lab" / "feeds" / "cve5" / "CVE-2026-84782.json").read_text("utf-8"))
VERSION = {"version": "1.0", "status": "affected", "lessThan": "1.4", "versionType": "semver"}


def record(entries: Any, *, adp: Any = None, state: str = "PUBLISHED") -> bytes:
    found = copy.deepcopy(RECORD)
    found["cveMetadata"]["state"] = state
    found["containers"]["cna"] = {"providerMetadata": {"shortName": "acme"}, "affected": entries}
    found["containers"]["adp"] = [{"providerMetadata": {"shortName": "more"}, "affected": adp}] if adp is not None else []
    return json.dumps(found).encode()


def read_rows(raw: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows and the notes; both ways must give the same."""
    strict = decode(raw, where="w")
    rows = cve_rows.rows_of(raw, b"d", where="w")
    assert rows.rejected == strict.rejected
    quick = [dict(zip(affected.COLUMNS, row, strict=True)) for row in rows.products]
    for row in quick:
        row["products"] = msgspec.json.decode(row["products"])
    assert quick == [{k: v for k, v in row.items() if k != "record_id"} for row in strict.tables["cve_product"]]
    written = [cve_rows._typed("products", row["products"]) for row in strict.tables["cve_product"]]
    assert [row[-1] for row in rows.products] == written  # to the byte: it is compared as text
    return quick, [item.reason for item in strict.rejected]


def read(raw: bytes) -> tuple[list[dict[str, Any]], list[str]]:
    """As `read_rows`, but each entry by itself, with what all of its row have alike."""
    rows, notes = read_rows(raw)
    unsaid = dict.fromkeys(("product", "collection_url", "package_name", "default_status"))
    return [
        {**unsaid, **{name: row[name] for name in ("cve_id", "source", "vendor")}, **entry, "place": row["place"] + number}
        for row in rows
        for number, entry in enumerate(row["products"])
    ], notes


def test_every_container_and_every_field_is_kept() -> None:
    changed = {**VERSION, "changes": [{"at": "1.2", "status": "unaffected"}]}
    package = {"collectionURL": "https://example.org/packages", "packageName": "left-pad", "versions": [VERSION]}
    rows, notes = read(record(
        [{"vendor": "Acme", "product": "Anvil", "defaultStatus": "unaffected", "versions": [changed]}, package],
        adp=[{"vendor": "Acme", "product": "Rocket"}],
    ))  # fmt: skip
    assert notes == []
    assert rows[0] == {
        "cve_id": "CVE-2026-84782", "place": 0, "source": "cna:acme", "vendor": "Acme", "product": "Anvil",
        "collection_url": None, "package_name": None, "default_status": "unaffected", "versions": [changed],
    }  # fmt: skip
    assert (rows[1]["package_name"], rows[1]["collection_url"]) == ("left-pad", "https://example.org/packages")
    assert (rows[2]["place"], rows[2]["source"], rows[2]["product"], rows[2]["versions"]) == (2, "adp:more", "Rocket", [])


def test_entries_that_stand_together_and_name_one_vendor_are_one_row() -> None:
    named = [("Acme", "a"), ("Acme", "b"), (None, "c"), (None, "d"), ("Acme", "e"), ("acme", "f")]
    entries = [{"vendor": vendor, "product": product} for vendor, product in named]
    rows, _notes = read_rows(record(entries, adp=[{"vendor": "acme", "product": "g"}]))
    assert [(row["place"], row["source"], row["vendor"], "".join(p["product"] for p in row["products"])) for row in rows] == [
        (0, "cna:acme", "Acme", "ab"), (2, "cna:acme", None, "cd"), (4, "cna:acme", "Acme", "e"), (5, "cna:acme", "acme", "f"),
        (6, "adp:more", "acme", "g"),
    ]  # fmt: skip


def test_a_rejected_record_has_no_products() -> None:
    assert read(record([{"vendor": "Acme"}], state="rejected")) == ([], [])


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"vendor": 7, "product": "Anvil"}, "its vendor is no text"),
        ({"versions": [VERSION]}, "it names neither vendor, product nor package"),
        ({"vendor": "", "product": " \u202e "}, "it names neither vendor, product nor package"),
        ({"vendor": "Acme", "defaultStatus": "maybe"}, "its defaultStatus is 'maybe', which is none of"),
        ({"vendor": "Acme", "versions": "all"}, "its versions is no list"),
        ("Acme", "it is no object"),
    ],
)
def test_an_entry_that_says_nothing_sure_is_left_out_and_noted(entry: Any, why: str) -> None:
    rows, notes = read(record([entry, {"vendor": "Acme", "product": "Anvil"}]))
    assert [row["product"] for row in rows] == ["Anvil"]
    assert len(notes) == 1
    assert f"CVE-2026-84782, cna:acme, an affected product: {why}" in notes[0]


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ({"version": 1.1, "status": "affected"}, "its version is no text"),
        ({"version": "1.1"}, "it has no status"),
        ({"status": "affected"}, "it has no version"),
        ({"version": "1.1", "status": "AFFECTED"}, "its status is 'AFFECTED'"),
        ({**VERSION, "changes": [{"at": "1.2"}]}, "it has no status"),
        ({**VERSION, "changes": {}}, "its changes is no list"),
        (None, "it is no object"),
    ],
)
def test_so_is_a_version(version: Any, why: str) -> None:
    rows, notes = read(record([{"vendor": "Acme", "product": "Anvil", "versions": [version, VERSION]}]))
    assert [row["versions"] for row in rows] == [[VERSION]]
    assert len(notes) == 1
    assert f"a version of an affected product: {why}" in notes[0]


def test_hostile_text_becomes_one_line_of_bounded_length() -> None:
    odd = {"version": " 1.0\t\u202e\x1b[31m", "status": "affected", "lessThan": "x" * 900, "changes": []}
    rows, notes = read(record([{
        "vendor": "Ac\u200bme\nInc", "product": "An\x07vil  \ud83d\ude80".encode("utf-16", "surrogatepass").decode("utf-16"),
        "packageName": "p" * 900, "collectionURL": "https://example.org/" + "u" * 3000, "versions": [odd],
    }]))  # fmt: skip
    assert notes == []
    row = rows[0]
    assert (row["vendor"], row["product"]) == ("Acme Inc", "An vil \U0001f680")
    assert (len(row["package_name"]), row["package_name"][-1]) == (500, "…")
    assert len(row["collection_url"]) == 2000
    assert row["versions"] == [{"version": "1.0 [31m", "status": "affected", "lessThan": "x" * 499 + "…"}]


@pytest.mark.parametrize("text", ['say "so"', "back\\slash", "ünïcode", "a\x7fb", "two  blanks", " led", "trailed ", "[]", "{}", ""])
def test_texts_that_json_writes_otherwise_are_the_same_both_ways(text: str) -> None:
    rows, _notes = read(record([{"vendor": "Acme", "product": text, "versions": [{**VERSION, "lessThan": text}]}]))
    assert rows[0]["vendor"] == "Acme"


def test_too_many_are_cut_and_counted() -> None:
    rows, notes = read(record([{"vendor": f"v{number}"} for number in range(1200)]))
    assert (len(rows), notes) == (1000, ["CVE-2026-84782, it names 1200 products; the first 1000 are kept."])
    many = [{"vendor": "Acme", "product": str(number), "versions": [VERSION] * 6000} for number in range(2)]
    rows, notes = read(record(many))
    assert [len(row["versions"]) for row in rows] == [6000, 4000]
    assert notes == ["CVE-2026-84782, it names 12000 versions; the first 10000 are kept."]
    rows, notes = read(record([{"vendor": number} for number in range(500)]))
    assert (rows, len(notes), notes[-1]) == (
        [], 21, "CVE-2026-84782, 480 more of its products and versions were left out.",
    )  # fmt: skip


@pytest.mark.parametrize("entries", [{}, "all", 3])
def test_affected_that_is_no_list_costs_the_products_only(entries: Any) -> None:
    rows, notes = read(record(entries))
    assert (rows, len(notes)) == ([], 1)
    assert "its `affected` is no list" in notes[0]


TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | TEXTS | st.sampled_from(["affected", "unknown", "1.0"])
KEYS = st.sampled_from([
    "vendor", "product", "packageName", "collectionURL", "defaultStatus", "versions", "version", "status", "lessThan",
    "lessThanOrEqual", "versionType", "changes", "at", "platforms",
])  # fmt: skip
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
PLAIN = st.fixed_dictionaries(
    {"version": TEXTS, "status": st.sampled_from(affected.STATUSES)},
    optional={"lessThan": LEAVES, "versionType": LEAVES, "changes": st.lists(TREES, max_size=2)},
)


@settings(max_examples=300, deadline=None)
@given(st.lists(TREES | st.fixed_dictionaries({"vendor": LEAVES, "versions": st.lists(PLAIN, max_size=2)}), max_size=3))
def test_any_entries_are_read_the_same_both_ways(entries: list[Any]) -> None:
    read(record(entries))
