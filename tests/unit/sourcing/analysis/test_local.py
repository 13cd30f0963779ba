from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import ansible.module_utils  # type: ignore[import-untyped]
import pytest
from psycopg.types.json import Json

from suture.settings import PROJECT_ROOT
from suture.sourcing.analysis.local import LocalKind, local_changes
from suture.sourcing.analysis.notes import examine
from suture.sourcing.examination import Examination, Subject
from suture.store import Store
from tests.unit.campaign.campaigns import add_campaign
from tests.unit.sourcing.analysis.package import Build

OLD = Build(
    name="nginx", files=dict.fromkeys(("etc/nginx/nginx.conf", "etc/nginx/same", "etc/nginx/gone"), ("a = 1\n", 0o644)),
    conffiles=("etc/nginx/nginx.conf", "etc/nginx/same", "etc/nginx/gone"),
)  # fmt: skip


def examined(tmp_path: Path) -> Examination:
    new = OLD.update().plus("etc/nginx/nginx.conf", "a = 2\n")
    files = {path: value for path, value in new.files.items() if path != "etc/nginx/gone"}
    new = Build(**{**new.__dict__, "files": files, "conffiles": OLD.conffiles[:2]})
    return examine(Subject(new.into(tmp_path), OLD.into(tmp_path)))


def say(store: Store, host: str, *, conffiles: Any = (), pins: Any = (), held: tuple[str, ...] = ()) -> None:
    facts = Json({"local_changes": {"conffiles": list(conffiles), "pins": list(pins)}})
    store._connection.execute("UPDATE host SET facts = %s WHERE host_id = %s", (facts, host))
    for package in held:
        store._connection.execute(
            "INSERT INTO host_package VALUES (%s, %s, 'amd64', '1.0-1', 'nginx', '1.0-1', 'hi', true)"
            " ON CONFLICT (host_id, package, architecture) DO UPDATE SET held = true",
            (host, package),
        )


def conffile(path: str, state: str = "edited", package: str = "nginx") -> dict[str, str]:
    return {"package": package, "path": path, "state": state}


@pytest.mark.database
def test_what_was_changed_by_hand_is_said_where_the_package_touches_it(store: Store, tmp_path: Path) -> None:
    campaign = add_campaign(store)
    edited = conffile("/etc/nginx/nginx.conf")
    pin = {"package": "ngin*", "pin": "version 1.0*", "priority": "1001", "file": "/etc/apt/preferences.d/old"}
    anybody = {"package": "*", "pin": "release n=x", "priority": "50", "file": "/etc/apt/preferences"}
    say(store, "app1", conffiles=[edited, conffile("/etc/nginx/same"), conffile("/etc/other", package="bash")])
    say(
        store,
        "app2",
        conffiles=[edited, conffile("/etc/nginx/gone", "missing")],
        pins=[pin, anybody],
        held=("nginx", "bash"),
    )
    say(store, "stg-app1")
    found = local_changes(store, campaign, [examined(tmp_path)])
    assert [(c.kind, c.subject, c.hosts) for c in found] == [
        (LocalKind.EDITED_CONFFILE, "/etc/nginx/nginx.conf", ("app1", "app2")),
        (LocalKind.HOLD, "nginx", ("app2",)),
        (LocalKind.PIN, "nginx", ("app2",)),
        (LocalKind.REMOVED_CONFFILE, "/etc/nginx/gone", ("app2",)),
    ]
    assert "edited on app1, app2" in found[0].sentence
    assert "1.0-1+deb12u1" in found[1].sentence


@pytest.mark.database
def test_a_host_that_does_not_tell_is_named(store: Store, tmp_path: Path) -> None:
    campaign = add_campaign(store)
    say(store, "app1")
    say(store, "stg-app1")
    (found,) = local_changes(store, campaign, [examined(tmp_path)])
    assert (found.kind, found.hosts) == (LocalKind.UNKNOWN, ("app2",))


@pytest.fixture
def collector() -> Iterator[ModuleType]:
    """The module as it runs on a host, where ansible puts it beside its own."""
    folder = str(PROJECT_ROOT / "include" / "playbooks" / "module_utils")
    ansible.module_utils.__path__.append(folder)
    sys.path.append(folder)
    try:
        yield import_module("ansible.module_utils.suture_local")
    finally:
        ansible.module_utils.__path__.remove(folder)
        sys.path.remove(folder)


def test_the_collector_finds_edited_and_missing_conffiles(collector: ModuleType, tmp_path: Path) -> None:
    same, edited, blank = tmp_path / "same", tmp_path / "edited", tmp_path / "with blank"
    for path in (same, edited, blank):
        path.write_text("a\n")
    digest = "60b725f10c9c85c70d97880dfe8191b3"  # md5 of "a\n"
    edited.write_text("b\n")
    output = (
        f"ii \tportal\n\n {same} {digest}\n {edited} {digest}\n {tmp_path}/none {digest}\n {blank} {digest}\n"
        f" {tmp_path}/old {digest} obsolete\nrc \tremoved\n\n {edited} {digest}\n"
    )
    assert collector.edited_conffiles(output) == [
        {"package": "portal", "path": str(edited), "state": "edited"},
        {"package": "portal", "path": f"{tmp_path}/none", "state": "missing"},
    ]


def test_the_collector_reads_pins(collector: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "pins"
    path.write_text(
        "# why\nPackage: portal libportal*\nPin: version 1.0*\nPin-Priority: 1001\n\nPackage: *\nPin: release n=x\nPin-Priority: 50\n"
    )
    found = collector.pins([str(path), str(tmp_path / "nowhere")])
    assert [(pin["package"], pin["pin"], pin["priority"]) for pin in found] == [
        ("portal", "version 1.0*", "1001"), ("libportal*", "version 1.0*", "1001"), ("*", "release n=x", "50"),
    ]  # fmt: skip


def test_the_collector_answers_as_its_schema_says(collector: ModuleType) -> None:
    import json

    import jsonschema

    schema = json.loads((PROJECT_ROOT / "include/schemas/reports/collect_inventory.schema.json").read_text("utf-8"))
    jsonschema.validate(
        collector.local_changes(), schema["then"]["properties"]["inventory"]["properties"]["local_changes"]
    )
