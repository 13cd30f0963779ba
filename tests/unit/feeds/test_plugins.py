"""Every source's folder is whole, and what it decodes has the shape and the quality that it promises."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from lab import policies as lab_policies
from suture.command.feed_documents import feed_documents
from suture.errors import BadInputError
from suture.feeds import FeedsPolicy, load_files, quality
from suture.feeds.accept import _WRITE_ORDER
from suture.feeds.format import FeedFormat
from suture.feeds.plugin import FILES, load_plugin, plugin_of
from suture.feeds.row_schema import RowSchema
from suture.feeds.sources import FOLDERS, FORMATS, MODULES, BrokenSourceError, registered
from suture.settings import PROJECT_ROOT
from suture.store import Store
from suture.store.connection import QUERIES
from tests.fleet_rows import NOW

SAMPLES = Path(__file__).parent / "samples"
SOURCES = PROJECT_ROOT / "include" / "suture" / "feeds" / "sources"


def samples(name: str) -> list[Path]:
    """A source's sample documents: samples/<name>.<anything>, or all files of samples/<name>/."""
    folder = SAMPLES / name
    return sorted(folder.iterdir()) if folder.is_dir() else sorted(SAMPLES.glob(f"{name}.*"))


def test_every_folder_is_in_the_tuple_and_the_other_way_round() -> None:
    folders = {path.name for path in SOURCES.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(FORMATS) == set(FOLDERS)
    assert len(MODULES) == len(FORMATS) >= 5


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_source_is_whole_and_its_rows_are_as_it_promises(name: str) -> None:
    plugin = plugin_of(name)
    assert plugin.config.get("url", "https://").startswith("https://")  # formats without one publisher have none
    assert plugin.format.main_table in plugin.format.tables
    assert all((QUERIES / "feed" / f"merge_{table}.sql").is_file() for table in plugin.format.tables)
    found = samples(name)
    assert found, f"{name} has no sample document in {SAMPLES}: nothing was checked"
    validator = Draft202012Validator(dict(plugin.schema), format_checker=Draft202012Validator.FORMAT_CHECKER)
    seen: dict[str, int] = dict.fromkeys(plugin.format.tables, 0)
    for path in found:
        decoded = plugin.format.decode(path.read_bytes(), where=path.name, feed=name)
        assert decoded.rejected == [], path.name
        assert list(validator.iter_errors(decoded.tables)) == []
        for table, rows in decoded.tables.items():
            assert list(plugin.guard.shape.faults(table, rows)) == []
            seen[table] += len(rows)
        verdict = quality.check(
            decoded.tables, now=NOW, floor=1, main_table=plugin.format.main_table, guard=plugin.guard
        )
        assert (verdict.feed_faults, verdict.bad_records) == ((), {})
    assert {table for table, rows in seen.items() if not rows} == set(), "a table that no sample fills is not checked"


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_row_that_does_not_fit_its_schema_is_seen(name: str) -> None:
    plugin = plugin_of(name)
    checked = 0
    for path in samples(name):
        for table, rows in plugin.format.decode(path.read_bytes(), where=path.name, feed=name).tables.items():
            for row in rows:
                (fault,) = plugin.guard.shape.faults(table, [{**row, "unheard_of": 1}])
                assert f"{table}.unheard_of" in fault[1]
                lacking = {key: value for key, value in row.items() if key != "record_id"}
                assert list(plugin.guard.shape.faults(table, [lacking]))
                checked += 1
    assert checked


@pytest.mark.parametrize("file", FILES)
def test_a_folder_without_one_of_its_files_is_refused(tmp_path: Path, file: str) -> None:
    for name in FILES:
        shutil.copy(SOURCES / "kev" / name, tmp_path / name)
    load_plugin(FORMATS["kev"], tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(BrokenSourceError, match=re.escape(file)):
        load_plugin(FORMATS["kev"], tmp_path)


@pytest.mark.parametrize(
    ("file", "text", "why"),
    [
        ("schema.json", "{", "not JSON"),
        ("schema.json", '{"version": "1", "properties": {"epss": {}}}', "describes epss, the format gives kev"),
        ("schema.json", '{"properties": {"kev": {"items": {"properties": {"a": {}}}}}}', "no `version`"),
        ("schema.json", '{"type": 7}', "no JSON Schema"),
        ("suite.json", '{"tables": {"kev": []}}', "nothing is expected of kev"),
        ("suite.json", '{"tables": {}}', "must name the tables kev"),
        ("config.yaml", "url: https://a.example\nname: other", "without name"),
        ("config.yaml", "url: https://a.example\nunknown_key: 1", "unknown_key"),
        ("page.md", "\n", "empty page.md"),
    ],
)
def test_a_folder_with_a_broken_file_is_refused(tmp_path: Path, file: str, text: str, why: str) -> None:
    for name in FILES:
        shutil.copy(SOURCES / "kev" / name, tmp_path / name)
    (tmp_path / file).write_text(text, "utf-8")
    with pytest.raises(BrokenSourceError, match=re.escape(why)):
        load_plugin(FORMATS["kev"], tmp_path)


def _module(folder: str, found: Any) -> ModuleType:
    module = ModuleType(folder)
    module.__file__ = f"/somewhere/{folder}/__init__.py"
    if found is not None:
        module.FORMAT = found  # type: ignore[attr-defined]
    return module


def test_a_name_twice_a_foreign_name_and_a_module_without_a_format_are_refused() -> None:
    kev = FORMATS["kev"]
    with pytest.raises(BrokenSourceError, match="Two sources are named 'kev'"):
        registered([_module("kev", kev), _module("kev", kev)])
    with pytest.raises(BrokenSourceError, match="the two must agree"):
        registered([_module("other", kev)])
    with pytest.raises(BrokenSourceError, match="no FORMAT"):
        registered([_module("kev", None)])


def test_the_policy_starts_with_what_is_meant_to_run() -> None:
    policy = FeedsPolicy.load(PROJECT_ROOT / "include" / "policy")
    assert {source.format for source in policy.sources} == set(FORMATS), "each source stands in feeds.yaml, on or off"
    assert {source.name for source in policy.sources if source.enabled} == {"kev", "epss", "nvd", "cve5"}


def test_an_entry_overrides_its_sources_own_key_by_key(tmp_path: Path) -> None:
    text = (PROJECT_ROOT / "include" / "policy" / "feeds.yaml").read_text("utf-8")
    (tmp_path / "feeds.yaml").write_text(
        text.replace("- name: kev\n", "- {name: kev, url: 'https://mirror.example/kev'}\n")
    )
    kev = FeedsPolicy.load(tmp_path).source("kev")
    assert (kev.url, kev.allowed_hosts) == ("https://mirror.example/kev", frozenset({"mirror.example"}))
    assert (kev.min_records, kev.required) == (1000, True)
    (tmp_path / "feeds.yaml").write_text(text.replace("- name: kev\n", "- {name: kev, format: nosuch}\n"))
    with pytest.raises(BadInputError, match="'nosuch'; there are"):
        FeedsPolicy.load(tmp_path)


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("{name: feed, format: openvex}", "feed has no url"),
        ("{name: feed, format: redhat_csaf}", "pin the fingerprints"),
        ("{name: feed, format: redhat_csaf, unsigned: true, keyrings: [k], fingerprints: [" + "A" * 40 + "]}", "either"),
        ("{name: feed, format: redhat_csaf, unsigned: true, keyrings: [k]}", "together"),
    ],
)
def test_an_entry_that_lacks_what_its_format_cannot_bring_is_refused(tmp_path: Path, entry: str, why: str) -> None:
    text = (PROJECT_ROOT / "include" / "policy" / "feeds.yaml").read_text("utf-8")
    (tmp_path / "feeds.yaml").write_text(f"{text}  - {entry}\n", "utf-8")
    with pytest.raises(BadInputError, match=why):
        FeedsPolicy.load(tmp_path)


def test_the_labs_own_policy_is_one_and_asks_loopback_only(tmp_path: Path) -> None:
    found = yaml.safe_load((PROJECT_ROOT / "include" / "policy" / "feeds.yaml").read_text("utf-8"))
    place = "http://127.0.0.1:8080"
    lab_policies._feeds(found, {"feeds_url": f"{place}/feeds", "vendor_url": f"{place}/vendor"})
    (tmp_path / "feeds.yaml").write_text(yaml.safe_dump(found), "utf-8")
    enabled = [source for source in FeedsPolicy.load(tmp_path).sources if source.enabled]
    assert {source.name for source in enabled} == {"lab-vendor-advisories", "kev", "epss", "nvd", "cve5"}
    for source in enabled:
        assert (source.allowed_hosts, source.lab, source.min_records) == (frozenset({"127.0.0.1"}), True, 0)


def test_parents_are_written_before_children() -> None:
    assert _WRITE_ORDER.index("advisory") < _WRITE_ORDER.index("advisory_cve")


_CELL = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(-5, 5), st.text("abcd", max_size=6), st.lists(st.integers(0, 2), max_size=2),  # noqa: E501
    st.sampled_from(["2026-01-01", "2026-01-01T00:00:00Z", "2026-13-01", "a", "abc"]),
)  # fmt: skip
_COLUMN = {
    "type": "array",
    "items": {
        "type": "object", "additionalProperties": False, "required": ["a"],
        "properties": {
            "a": {"type": ["string", "null"], "maxLength": 3, "minLength": 1}, "b": {"type": "number", "minimum": 0, "maximum": 2},
            "c": {"enum": ["a", None]}, "d": {"type": "array", "items": {"type": "integer", "maximum": 1}},
            "e": {"type": ["string", "null"], "format": "date"}, "f": {"type": "string", "pattern": "^[a-c]+$"}, "g": {"type": "boolean"},  # noqa: E501
        },
    },
}  # fmt: skip
_SCHEMA = {"type": "object", "properties": {"t": _COLUMN}}


@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from("abcdefgh"), _CELL, max_size=5))
def test_the_compiled_check_agrees_with_jsonschema(row: dict[str, Any]) -> None:
    whole = Draft202012Validator(_COLUMN["items"], format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert bool(list(RowSchema(_SCHEMA).faults("t", [row]))) == bool(list(whole.iter_errors(row)))


def test_a_schema_of_other_keywords_is_checked_too() -> None:
    items = {"type": "object", "properties": {"a": {"anyOf": [{"const": 1}, {"const": 2}]}}}
    shape = RowSchema({"properties": {"t": {"type": "array", "items": items}}})
    rows = [{"a": 1}, {"a": 3}]
    assert [row for row, _why in shape.faults("t", rows)] == [{"a": 3}]


BLOCK = re.compile(r"^`(?P<name>[a-z_.]+)`[^\n]*:\s.*?```\w+\n(?P<text>.*?)```", re.MULTILINE | re.DOTALL)
SAMPLE = re.compile(r"```text\n(.*?)```", re.DOTALL)


@pytest.mark.database
def test_the_example_of_the_docs_is_a_source_that_runs(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (PROJECT_ROOT / "docs" / "feeds" / "README.md").read_text("utf-8")
    files = {match["name"]: match["text"] for match in BLOCK.finditer(page)}
    assert set(files) == {"__init__.py", *FILES}
    folder = tmp_path / "house_list"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")
    spec = importlib.util.spec_from_file_location("house_list", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "house_list", module)
    spec.loader.exec_module(module)
    (found,) = registered([module]).values()
    assert isinstance(found, FeedFormat)
    monkeypatch.setitem(FORMATS, "house_list", found)
    monkeypatch.setitem(FOLDERS, "house_list", folder)
    policy = (PROJECT_ROOT / "include" / "policy" / "feeds.yaml").read_text("utf-8")
    (tmp_path / "feeds.yaml").write_text(policy + "  - name: house_list\n", "utf-8")
    source = FeedsPolicy.load(tmp_path).source("house_list")
    assert source.freshness == timedelta(hours=48)
    sample = SAMPLE.search(page)
    assert sample is not None
    (tmp_path / "fixes.txt").write_text(sample[1] + "not a record\nopenssl 1.0 CVE-x\n", "utf-8")
    outcome = load_files(store, source, [tmp_path / "fixes.txt"], now=NOW)
    assert (outcome.ok, outcome.records, outcome.quarantined) == (True, 1, 2), outcome.sentence
    (row,) = store.fetch_all("advisory/list_source_advisories", {"source": "house_list"})
    assert row["advisory_id"] == "house_list/openssl@3.0.17-1~deb12u2"


def test_the_docs_have_a_page_for_each_source_and_are_current() -> None:
    pages = feed_documents(PROJECT_ROOT)
    assert {path.stem for path in pages} == {*FORMATS, "README", "PRECEDENCE"}
    assert {path.name for path in (PROJECT_ROOT / "docs" / "feeds").iterdir()} == {path.name for path in pages}
    assert {path.name for path, text in pages.items() if path.read_text("utf-8") != text} == set()
