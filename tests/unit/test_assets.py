"""The asset register: what does not fit together in assets.yaml is refused when it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from suture.errors import BadInputError
from suture.model.assets import AssetRegister
from suture.settings import PROJECT_ROOT

ASSETS = PROJECT_ROOT / "include" / "policy" / "assets.yaml"


def test_the_projects_own_register_loads() -> None:
    assert AssetRegister.load(ASSETS.parent).group("web").depends_on == ("data",)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda groups: groups["data"].update(depends_on=["edge"]), "depends_on goes in a circle: .*(data needs edge needs web|web needs data needs edge|edge needs web needs data) needs"),  # noqa: E501
        (lambda groups: groups["web"].update(depends_on=["web"]), "circle: web needs web"),
        (lambda groups: groups["web"].update(depends_on=["nosuch"]), "web names 'nosuch', which is no asset group"),
        (lambda groups: groups["web"].update(staging_group="web"), "web is its own staging_group"),
        (lambda groups: groups["web"].update(name="data"), "names the asset group 'data' twice"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_refused_by_name(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], why: str
) -> None:
    found = yaml.safe_load(ASSETS.read_text("utf-8"))
    change({group["name"]: group for group in found["asset_groups"]})
    (tmp_path / "assets.yaml").write_text(yaml.safe_dump(found), "utf-8")
    with pytest.raises(BadInputError, match=why):
        AssetRegister.load(tmp_path)
