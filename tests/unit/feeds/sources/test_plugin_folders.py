"""Each vendor source brings its config, schema, suite and page, and its rows are as its schema promises."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from suture.feeds import quality
from suture.feeds.sources import FORMATS
from suture.settings import PROJECT_ROOT
from tests.fleet_rows import NOW
from tests.unit.feeds.sources import (
    test_atom,
    test_csaf,
    test_debian_lists,
    test_debian_tracker,
    test_mbox,
    test_openvex,
    test_osv,
    test_stix,
    test_ubuntu_usn,
)  # fmt: skip

SOURCES = PROJECT_ROOT / "include" / "suture" / "feeds" / "sources"
RHSA = json.dumps(test_csaf.document([test_csaf.vulnerability()])).encode()
SAMPLES: dict[str, Callable[[], bytes]] = {
    "atom": lambda: test_atom.atom(test_atom.entry()),
    "csaf_provider": lambda: RHSA,
    "debian_lists": lambda: test_debian_lists.LIST,
    "debian_tracker": lambda: json.dumps(test_debian_tracker.tracker()).encode(),
    "mbox": lambda: test_mbox.FIRST,
    "openvex": lambda: test_openvex.document(test_openvex.statement()),
    "osv": lambda: test_osv.PYSEC.encode(),
    "redhat_csaf": lambda: RHSA,
    "stix": lambda: test_stix.bundle(*test_stix.objects()),
    "ubuntu_usn": lambda: json.dumps({"notices": [test_ubuntu_usn.notice()]}).encode(),
}


def test_every_vendor_source_has_a_sample() -> None:
    assert set(SAMPLES) == set(FORMATS) - {"kev", "epss", "cve5", "nvd"}


@pytest.mark.parametrize("name", SAMPLES)
def test_rows_are_as_the_schema_says(name: str) -> None:
    schema = json.loads((SOURCES / name / "schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(FORMATS[name].tables)
    assert schema["version"] == "1.0.0"
    decoded = FORMATS[name].decode(SAMPLES[name](), where="sample", feed=name)
    assert decoded.tables[FORMATS[name].main_table]
    assert [error.message for error in Draft202012Validator(schema).iter_errors(dict(decoded.tables))] == []
    for table in decoded.tables:
        columns: Any = schema["properties"][table]["items"]["properties"]
        assert set(quality.COLUMNS[table]) <= set(columns)


@pytest.mark.parametrize("name", SAMPLES)
def test_the_folder_is_whole(name: str) -> None:
    folder = SOURCES / name
    config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
    assert config["transport"] in {"document", *FORMATS[name].transports}
    assert not {"name", "format", "enabled"} & set(config)
    suite = json.loads((folder / "suite.json").read_text("utf-8"))
    assert set(suite["tables"]) == set(FORMATS[name].tables)
    page = (folder / "page.md").read_text("utf-8")
    assert all(
        f"**{part}**" in page for part in ("What it is", "Licence", "Cadence", "How Suture uses it", "What goes wrong")
    )


def test_the_shared_suites_pass_good_rows_and_find_bad_ones() -> None:
    decoded = FORMATS["stix"].decode(SAMPLES["stix"](), where="sample")
    assert quality.check(decoded.tables, now=NOW, floor=0, main_table="threat_signal").bad_records == {}
    bad = {"threat_signal": [{**decoded.tables["threat_signal"][0], "modified_at": "2031-01-01T00:00:00+00:00"}]}
    (reasons,) = quality.check(bad, now=NOW, floor=0, main_table="threat_signal").bad_records.values()
    assert "in the future" in reasons[0]
