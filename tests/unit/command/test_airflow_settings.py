"""airflow_settings.yaml: what it may say, and what is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from suture.command import airflow_settings
from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT


def parse(**sections: Any) -> airflow_settings.AirflowSettings:
    return airflow_settings.parse({"airflow": sections})


def test_the_projects_own_file_loads() -> None:
    settings = airflow_settings.load(PROJECT_ROOT / "airflow_settings.yaml")
    assert {pool.name: pool.slots for pool in settings.pools}["suture_ansible"] == 2


def test_all_three_sections_parse() -> None:
    settings = parse(
        pools=[{"pool_name": "p", "pool_slot": 3, "include_deferred": True}],
        connections=[{"conn_id": "c", "conn_type": "http", "conn_host": "h", "conn_port": 80, "conn_extra": {"a": 1}}],
        variables=[{"variable_name": "v", "variable_value": "08:00"}],
    )
    assert settings.pools[0].include_deferred
    assert settings.connections[0].port == 80
    assert settings.connections[0].extra == {"a": 1}
    assert settings.variables[0].value == "08:00"


def test_empty_sections_are_empty() -> None:
    settings = parse(pools=None, connections=[], variables=None)
    assert (settings.pools, settings.connections, settings.variables) == ((), (), ())


@pytest.mark.parametrize(
    ("sections", "named"),
    [
        ({"pool": []}, "unknown key pool"),
        ({"pools": [{"pool_name": "p", "pool_slots": 2}]}, r"pools\[0\]: unknown key pool_slots"),
        ({"pools": [{"pool_name": "p"}]}, "pool_slot must be a whole number"),
        ({"pools": [{"pool_name": "p", "pool_slot": True}]}, "pool_slot"),
        ({"pools": [{"pool_name": "p", "pool_slot": -1}]}, "pool_slot"),
        ({"pools": [{"pool_name": "p", "pool_slot": 1, "include_deferred": "yes"}]}, "include_deferred"),
        ({"pools": {"pool_name": "p"}}, "must be a list"),
        ({"pools": ["p"]}, "must be a mapping"),
        ({"pools": [{"pool_name": "p", "pool_slot": 1}] * 2}, "pool p is given more than once"),
        ({"connections": [{"conn_id": "c", "conn_type": "t", "conn_password": "x"}]}, "conn_password does not belong"),
        ({"connections": [{"conn_id": "c", "conn_uri": "t://u:p@h"}]}, "conn_uri does not belong"),
        ({"connections": [{"conn_id": "c"}]}, "conn_type must be a text"),
        ({"connections": [{"conn_id": "c", "conn_type": "t", "conn_extra": "{}"}]}, "conn_extra"),
        ({"variables": [{"variable_name": "v", "variable_value": 480}]}, "in quotes"),
        ({"variables": [{"variable_name": "", "variable_value": "x"}]}, "variable_name"),
    ],
)
def test_mistakes_are_named_with_their_place(sections: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInputError, match=named):
        parse(**sections)


def test_a_refused_password_is_not_repeated() -> None:
    with pytest.raises(BadInputError) as caught:
        parse(connections=[{"conn_id": "c", "conn_type": "t", "conn_password": "hunter22"}])
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("text", ["[", "a: b: c", "- 1"])
def test_files_that_are_not_settings_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "airflow_settings.yaml"
    path.write_text(text)
    with pytest.raises(BadInputError, match=r"airflow_settings\.yaml"):
        airflow_settings.load(path)
