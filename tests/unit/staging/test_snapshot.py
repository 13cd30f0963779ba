"""The held snapshot: production gets the files that staging was tested with, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from suture.model import CampaignPlan, PlannedPackage
from suture.staging.snapshot import HeldSnapshot, SnapshotChangedError, hold, require_same


@dataclass(frozen=True)
class Offered:
    name: str
    version: str
    architecture: str
    sha256: str | None


OPENSSL = Offered("openssl", "3.0.18", "amd64", "a" * 64)
OTHER = Offered("curl", "7.88", "amd64", "b" * 64)
PLAN = CampaignPlan(
    "web",
    "debian",
    "nightly",
    {},
    (PlannedPackage("openssl", "amd64", "3.0.18", "openssl", "3.0.18", sha256="a" * 64),),
)
NAME = "suture-20261126t120000-sut-2026-0001"


def test_the_same_snapshot_is_the_same() -> None:
    held = hold(NAME, [OPENSSL, OTHER], PLAN)
    assert HeldSnapshot.from_json(held.as_json()) == held
    assert "that staging was tested with" in require_same(held, NAME, [OTHER, OPENSSL], PLAN)


def test_a_snapshot_whose_content_changed_is_refused() -> None:
    held = hold(NAME, [OPENSSL, OTHER], PLAN)
    for now in ([OPENSSL], [OPENSSL, Offered("curl", "7.88", "amd64", "c" * 64)]):
        with pytest.raises(SnapshotChangedError, match="a snapshot never changes"):
            require_same(held, NAME, now, PLAN)


def test_a_newer_snapshot_must_offer_the_same_files() -> None:
    held = hold(NAME, [OPENSSL], PLAN)
    assert "the same 1 files" in require_same(held, "later", [OPENSSL, OTHER], PLAN)
    with pytest.raises(SnapshotChangedError, match="does not offer openssl"):
        require_same(held, "later", [Offered("openssl", "3.0.18", "amd64", "f" * 64)], PLAN)
    forged = HeldSnapshot(NAME, held.digest, {"openssl 3.0.18 amd64": "f" * 64})
    with pytest.raises(SnapshotChangedError, match="other files than staging"):
        require_same(forged, "later", [OPENSSL], PLAN)


def test_what_is_not_on_offer_cannot_be_held() -> None:
    with pytest.raises(SnapshotChangedError, match=r"does not offer openssl 3\.0\.18"):
        hold(NAME, [OTHER], PLAN)
