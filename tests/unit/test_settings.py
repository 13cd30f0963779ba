"""Settings come from the environment first, from the state folder second, and are read once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT, Settings


def test_nothing_set_and_nothing_started(tmp_path: Path) -> None:
    settings = Settings.load({"SUTURE_HOME": str(tmp_path)})
    assert settings.warehouse_url is None
    assert settings.instance == "unset"
    assert settings.policy_dir == PROJECT_ROOT / "include" / "policy"
    assert settings.store_url == (tmp_path / "store").as_uri()
    with pytest.raises(BadInputError, match=r"\./suture up"):
        settings.require_warehouse()


def test_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    settings = Settings.load(
        {
            "SUTURE_HOME": str(tmp_path),
            "SUTURE_POLICY_DIR": "/elsewhere/policy",
            "SUTURE_INVENTORY": "/elsewhere/hosts.yaml",
            "SUTURE_STORE_URL": "s3://bucket/suture",
            "SUTURE_WAREHOUSE_URL": "postgresql://u:p@db/w",
        }
    )
    assert settings.policy_dir == Path("/elsewhere/policy")
    assert settings.inventory_path == Path("/elsewhere/hosts.yaml")
    assert settings.store_url == "s3://bucket/suture"
    assert settings.require_warehouse() == "postgresql://u:p@db/w"


def test_a_rendered_policy_of_the_state_folder_comes_before_the_default(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    assert Settings.load({"SUTURE_HOME": str(tmp_path)}).policy_dir == tmp_path / "policy"


def test_a_started_installation_knows_its_own_warehouse(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"instance": "ab12", "ports": {"postgres": 15432}}))
    assert Settings.load({"SUTURE_HOME": str(tmp_path)}).warehouse_url is None
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "postgres.password").write_text("s3cret\n")
    settings = Settings.load({"SUTURE_HOME": str(tmp_path)})
    assert settings.instance == "ab12"
    assert settings.warehouse_url == "postgresql://postgres:s3cret@127.0.0.1:15432/suture"


@pytest.mark.parametrize("text", ["{", "[]", "null", "7"])
def test_a_broken_settings_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_text(text)
    with pytest.raises(BadInputError, match=r"settings\.json"):
        Settings.load({"SUTURE_HOME": str(tmp_path)})
