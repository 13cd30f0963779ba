from __future__ import annotations

from pathlib import Path

import pytest

from suture.runner.inventory import Inventory, InventoryError

TEXT = """
all:
  vars: {ansible_user: root, level: all}
  children:
    app:
      vars: {level: app}
      hosts:
        app1: {ansible_host: 10.0.0.1}
        app2: {level: host}
    production:
      hosts: {app1: {}}
"""


def load(tmp_path: Path, text: str) -> Inventory:
    path = tmp_path / "hosts.yaml"
    path.write_text(text, "utf-8")
    return Inventory.load(path)


def test_hosts_have_groups_and_the_nearest_variables(tmp_path: Path) -> None:
    found = load(tmp_path, TEXT)
    assert found.hosts["app1"].groups == ("app", "production")
    assert found.hosts["app2"].variables == {"ansible_user": "root", "level": "host"}
    assert found.members("production") == ("app1",)
    assert found.members("nowhere") == ()


def test_ansible_gets_every_value_as_inert_text(tmp_path: Path) -> None:
    given = load(tmp_path, TEXT.replace("10.0.0.1", '"{{ lookup(1) }}"')).as_ansible()
    assert given["all"]["hosts"]["app1"]["ansible_host"] == {"__ansible_unsafe": "{{ lookup(1) }}"}
    assert given["all"]["children"]["production"] == {"hosts": {"app1": {}}}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("all: {hosts: {'{{ x }}': {}}}", "RFC 1123"),
        ("all: {hosts: {'app[1:9]': {}}}", "RFC 1123"),
        ("all: {hosts: {app1: {password: !vault abc}}}", "not plain YAML"),
        ("all: {hosts: {app1: {}}, host: {}}", "nothing else"),
        ("all: {children: {}}", "names no host"),
        ("[app1]", "mapping"),
        ("all: {hosts: [app1]}", "must be a mapping"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(InventoryError, match=why):
        load(tmp_path, text)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="SUTURE_INVENTORY"):
        Inventory.load(tmp_path / "none.yaml")
