"""Components from hosts into the warehouse: written once, kept where the host could not look, shown with their place."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from suture.inventory.collect import collect
from suture.inventory.component_policy import ComponentPolicy
from suture.inventory.components import read_reported
from suture.model.assets import AssetRegister
from suture.policy import PolicyError
from suture.runner.simulator import FleetSimulator
from suture.settings import PROJECT_ROOT
from suture.store import Store, hosts
from tests.fleet_rows import NOW
from tests.unit.runner.fleet import make_fleet

pytestmark = pytest.mark.database
POLICY_DIR = PROJECT_ROOT / "include" / "policy"
REGISTER = AssetRegister.load(POLICY_DIR)
POLICY = ComponentPolicy.load(POLICY_DIR)


def one(kind: str, name: str, version: str, location: str = "/opt/app", source: str | None = None) -> dict[str, Any]:
    return {"ecosystem": kind, "name": name, "version": version, "location": location, "source": source}


def report(*components: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "components": list(components), "ecosystems": ["maven", "npm", "pypi", "rpm"], "complete": True, "limits": [],
        "unreadable": 0, "faults": [], "entries": 10, **changes,
    }  # fmt: skip


@pytest.fixture
def fleet() -> FleetSimulator:
    return make_fleet()


def known(store: Store, host: str = "app1") -> set[tuple[str, str, str, str]]:
    return {(row["ecosystem"], row["name"], row["version"], row["location"]) for row in hosts.list_components(store, host)}


def look(store: Store, fleet: FleetSimulator, hours: int = 0, said: list[str] | None = None) -> Any:
    lines = said if said is not None else []
    return collect(store, fleet, REGISTER, now=NOW + timedelta(hours=hours), components=POLICY, log=lines.append)


def test_a_hosts_components_are_written_under_the_names_of_their_world(store: Store, fleet: FleetSimulator) -> None:
    fleet.fleet["app1"].components = report(
        one("pypi", "Django_Rest.Framework", "3.1"), one("npm", "@types/node", "20.1.0", "/srv/a/node_modules/@types/node"),
        one("rpm", "openssl-libs", "1:3.0.7-2.el9", "", "openssl-3.0.7-2.el9.src.rpm"),
        one("maven", "org.x:y", "1.0", "/opt/a.war!/WEB-INF/lib/y.jar"), one("maven", "org.x:y", "1.0", "/opt/b.jar"),
    )  # fmt: skip
    assert look(store, fleet).components == 5
    assert known(store) == {
        ("pypi", "django-rest-framework", "3.1", "/opt/app"), ("npm", "@types/node", "20.1.0", "/srv/a/node_modules/@types/node"),
        ("rpm", "openssl-libs", "1:3.0.7-2.el9", ""), ("maven", "org.x:y", "1.0", "/opt/a.war!/WEB-INF/lib/y.jar"),
        ("maven", "org.x:y", "1.0", "/opt/b.jar"),
    }  # fmt: skip
    (rpm,) = [row for row in hosts.list_components(store, "app1") if row["ecosystem"] == "rpm"]
    assert rpm["source_name"] == "openssl"


def changed(store: Store) -> int:
    row = store._connection.execute("SELECT count(*) AS n FROM host_change WHERE host_id = 'app1'").fetchone()
    assert row is not None
    return int(row["n"])


def test_what_is_as_it_was_is_not_written_and_what_went_is_gone(store: Store, fleet: FleetSimulator) -> None:
    host = fleet.fleet["app1"]
    host.components = report(one("npm", "lodash", "4.17.20"), one("npm", "left-pad", "1.0.0"))
    look(store, fleet)
    before = changed(store)
    look(store, fleet, 1)
    assert changed(store) == before  # the host is not matched again
    host.components = report(one("npm", "lodash", "4.17.21"))
    look(store, fleet, 2)
    assert known(store) == {("npm", "lodash", "4.17.21", "/opt/app")}
    assert changed(store) > before


def test_a_search_that_was_cut_off_removes_only_what_it_saw_replaced(store: Store, fleet: FleetSimulator) -> None:
    host = fleet.fleet["app1"]
    host.components = report(one("npm", "lodash", "4.17.20"), one("npm", "left-pad", "1.0.0"))
    look(store, fleet)
    host.components = report(one("npm", "lodash", "4.17.21"), complete=False, limits=["it took more than 60 seconds"])
    said: list[str] = []
    found = look(store, fleet, 1, said)
    assert known(store) == {("npm", "lodash", "4.17.21", "/opt/app"), ("npm", "left-pad", "1.0.0", "/opt/app")}
    assert "it took more than 60 seconds" in found.incomplete["app1"]
    assert any(line.startswith("app1: its components may not be all") for line in said)


def test_a_host_that_could_not_look_keeps_what_was_known(store: Store, fleet: FleetSimulator) -> None:
    host = fleet.fleet["app1"]
    host.components = report(one("npm", "lodash", "4.17.20"))
    look(store, fleet)
    host.components = {"fault": "MODULE FAILURE\x1b[2J"}
    found = look(store, fleet, 1)
    assert "could not look for them: MODULE FAILURE�[2J" in found.incomplete["app1"]
    assert known(store) == {("npm", "lodash", "4.17.20", "/opt/app")}
    host.components = None
    assert "no answer" in look(store, fleet, 2).incomplete["app1"]
    assert len(known(store)) == 1
    assert "app1" in look(store, fleet, 3).collected  # the rest of its inventory stands


def test_a_host_is_not_believed() -> None:
    bad = report(
        one("npm", "a\x1b[2J", "1"), one("npm", "", "1"), one("npm", "a" * 400, "1"), one("pypi", "a", "1\n2"),
        one("npm", "good", "1", "/opt/\x07bell" + "x" * 5000),
    )  # fmt: skip
    packages, left_out = read_reported(bad)
    assert left_out == 4
    (kept,) = packages
    assert kept.location.startswith("/opt/�bell")
    assert len(kept.location) == 900


def test_a_policy_that_looks_for_nothing_asks_nothing(store: Store, fleet: FleetSimulator, tmp_path: Path) -> None:
    none = ComponentPolicy.load(tmp_path)  # a folder without components.yaml
    fleet.fleet["app1"].components = report(one("npm", "lodash", "4.17.20"))
    assert collect(store, fleet, REGISTER, now=NOW, components=none).components == 0
    assert known(store) == set()


@pytest.mark.parametrize("line", ["roots: [opt]", "roots: [/opt/../etc]", "max_seconds: 0", "ecosystems: [deb]", "shell: rm"])
def test_a_policy_of_nonsense_is_refused(tmp_path: Path, line: str) -> None:
    shutil.copy(POLICY_DIR / "components.yaml", tmp_path)
    path = tmp_path / "components.yaml"
    key = line.partition(":")[0]
    text = path.read_text("utf-8").splitlines()
    start = next((n for n, row in enumerate(text) if row.startswith(f"{key}:")), len(text))
    end = start + 1
    while end < len(text) and text[end].startswith("  "):
        end += 1
    path.write_text("\n".join([*text[:start], line, *text[end:]]) + "\n")
    with pytest.raises(PolicyError, match=r"components\.yaml"):
        ComponentPolicy.load(tmp_path)
