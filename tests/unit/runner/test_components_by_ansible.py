"""The real playbook on this machine (connection: local): what lies under the roots reaches the control machine as data."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from suture.inventory.component_policy import ComponentPolicy
from suture.runner.ansible import AnsibleRunner
from suture.runner.interface import Phase, PlaybookRun
from suture.settings import PROJECT_ROOT


@pytest.fixture
def runner(tmp_path: Path) -> AnsibleRunner:
    inventory = tmp_path / "hosts.yaml"
    variables = f"ansible_connection: local, ansible_become: false, ansible_python_interpreter: {sys.executable}"
    inventory.write_text(f"all: {{hosts: {{here: {{{variables}}}}}}}", "utf-8")
    return AnsibleRunner(inventory)


def test_components_come_with_the_inventory_and_hostile_names_stay_text(runner: AnsibleRunner, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    hostile = f"{{{{ lookup('pipe', 'touch {canary.name}') }}}}"
    modules = tmp_path / "root" / hostile / "node_modules"
    for name, version in (("lodash", "4.17.20"), (hostile, "1.0.0"), ("evil", "$(touch canary)")):
        folder = modules / name
        folder.mkdir(parents=True)
        (folder / "package.json").write_text(json.dumps({"name": name, "version": version}), "utf-8")
    asked = ComponentPolicy.load(PROJECT_ROOT / "include" / "policy").asked()
    asked |= {"roots": [str(tmp_path / "root")], "ecosystems": ["npm", "pypi", "maven"]}
    result = runner.run(PlaybookRun(Phase.COLLECT_INVENTORY, ("here",), {"components": asked}))
    assert result.failed == {}, (result.failed, result.log_tail[-20:])
    report = result.reports["here"]
    assert report["inventory"]["packages"], "the rest of the inventory is there as well"
    found = {(one["name"], one["version"], one["location"]) for one in report["components"]["components"]}
    assert ("lodash", "4.17.20", f"{modules}/lodash") in found
    assert (hostile, "1.0.0", f"{modules}/{hostile}") in found
    assert not list(tmp_path.rglob("canary"))
    assert not (Path.cwd() / "canary").exists()


def test_a_run_that_does_not_ask_finds_none(runner: AnsibleRunner) -> None:
    result = runner.run(PlaybookRun(Phase.COLLECT_INVENTORY, ("here",)))
    assert result.failed == {}, (result.failed, result.log_tail[-20:])
    assert set(result.reports["here"]["components"]) == {"fault"}
