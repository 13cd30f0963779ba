"""What counts as a backup, and what each lacking one is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from suture.recovery.backup_proof import Backup, BackupPolicy, prove
from suture.settings import PROJECT_ROOT

START = datetime(2026, 11, 24, 0, 10, tzinfo=UTC)
AGE = timedelta(hours=4)
GOOD = Backup(
    7,
    "app1",
    "verified",
    "abc",
    START - timedelta(hours=1),
    START - timedelta(minutes=59),
    START - timedelta(minutes=58),
)


def test_a_fresh_checked_restored_backup_is_proof() -> None:
    proof = prove(["app1"], [GOOD], START, AGE)
    assert proof.complete
    assert proof.proven == {"app1": 7}
    assert "The host has a fresh backup" in proof.sentence


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"status": "failed"}, "failed"),
        ({"snapshot_ref": None}, "failed"),
        ({"taken_at": START}, "was not taken before the patch"),
        ({"taken_at": START + timedelta(minutes=1)}, "was not taken before the patch"),
        ({"taken_at": START - timedelta(hours=5)}, "is 300 min old, allowed are 240 min"),
        ({"checked_at": None}, "was never read back"),
        ({"checked_at": START - timedelta(hours=2)}, "was never read back"),  # the check was of an older backup
        ({"restored_at": None}, "was never restored and compared"),
        ({"restored_at": START - timedelta(hours=2)}, "was never restored and compared"),
    ],
)
def test_what_a_backup_can_lack(changes: dict[str, object], says: str) -> None:
    proof = prove(["app1"], [replace(GOOD, **changes)], START, AGE)  # type: ignore[arg-type]
    assert not proof.complete
    assert says in proof.missing["app1"]
    assert "app1" in proof.sentence


def test_an_older_good_backup_counts_when_the_newest_failed() -> None:
    newest = replace(GOOD, backup_id=8, status="failed", taken_at=START - timedelta(minutes=5))
    assert prove(["app1"], [newest, GOOD], START, AGE).proven == {"app1": 7}


def test_another_hosts_backup_proves_nothing_and_neither_does_no_host() -> None:
    assert prove(["app2"], [GOOD], START, AGE).missing == {"app2": "no backup was taken"}
    assert not prove([], [GOOD], START, AGE).complete


def test_the_projects_own_policy_loads() -> None:
    own = BackupPolicy.load(PROJECT_ROOT / "include" / "policy")
    assert own.max_age > own.lead
