"""settings.json: made once, remembered, changed on purpose only."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from suture.command import installation, ports
from suture.command.installation import PORT_NAMES
from suture.errors import BadInputError
from suture.settings import Settings


def anything_is_free(port: int) -> bool:
    return True


def prepared(home: Path, **options: object) -> installation.Installation:
    return installation.prepare(home, free=anything_is_free, **options)  # type: ignore[arg-type]


def test_first_start_derives_ports_in_order(tmp_path: Path) -> None:
    home = tmp_path / "state"
    made = prepared(home)
    base = ports.derived_base(home)
    assert list(made.ports.values()) == list(range(base, base + len(PORT_NAMES)))
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE(made.settings_file.stat().st_mode) == 0o600


def test_ports_are_remembered_even_when_taken_later(tmp_path: Path) -> None:
    first = prepared(tmp_path)
    assert installation.prepare(tmp_path, free=lambda port: False) == first


def test_two_clones_differ_in_instance_and_ports(tmp_path: Path) -> None:
    one, two = prepared(tmp_path / "one"), prepared(tmp_path / "two")
    assert one.instance != two.instance
    assert not set(one.ports.values()) & set(two.ports.values())


def test_settings_of_the_domain_read_the_same_file(tmp_path: Path) -> None:
    made = prepared(tmp_path)
    read = Settings.load({"SUTURE_HOME": str(tmp_path)})
    assert read.instance == made.instance
    assert dict(read.ports) == dict(made.ports)


def test_one_port_can_be_set_and_the_others_stay(tmp_path: Path) -> None:
    before = prepared(tmp_path)
    after = prepared(tmp_path, chosen={"ui": 8080})
    assert dict(after.ports) == {**before.ports, "ui": 8080}
    assert installation.read(tmp_path) == after


def test_port_base_moves_the_whole_block(tmp_path: Path) -> None:
    prepared(tmp_path)
    moved = prepared(tmp_path, port_base=40_000)
    assert min(moved.ports.values()) == 40_000


def test_one_port_for_two_names_is_refused(tmp_path: Path) -> None:
    before = prepared(tmp_path)
    with pytest.raises(BadInputError, match="postgres_port"):
        prepared(tmp_path, chosen={"ui": before.ports["postgres"]})
    with pytest.raises(BadInputError, match="both"):
        prepared(tmp_path, chosen={"ui": 8080, "postgres": 8080})
    assert installation.read(tmp_path) == before


def test_copied_state_folder_gets_ports_of_its_own(tmp_path: Path) -> None:
    original = prepared(tmp_path / "original")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "settings.json").write_bytes(original.settings_file.read_bytes())
    made = prepared(copy)
    assert made.instance != original.instance
    assert not set(made.ports.values()) & set(original.ports.values())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"instance": "x"}', '{"instance": "x", "ports": {"ui": "many"}}', "null"]
)
def test_broken_file_is_named_with_a_remedy(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(BadInputError, match=r"settings\.json"):
        installation.read(tmp_path)


def test_unknown_port_in_the_file_is_named(tmp_path: Path) -> None:
    stored = json.dumps({"instance": "x", "ports": {"uo": 8080}})
    (tmp_path / "settings.json").write_text(stored)
    with pytest.raises(BadInputError, match="uo"):
        installation.read(tmp_path)


def test_overrides_parse_to_port_names() -> None:
    assert installation.parse_overrides(["ui_port=8080", "postgres_port=5433"]) == {"ui": 8080, "postgres": 5433}


@pytest.mark.parametrize("text", ["ui=8080", "ui_port", "shell_port=8080", "ui_port=", "=8080", "ui_port=eighty"])
def test_overrides_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        installation.parse_overrides([text])
