"""Proof of backup: what must be shown before a host is touched.

The rules: a backup of a host counts when it

1. was taken before the patch starts, and not longer before it than the policy's max_age_minutes (the RPO);
2. was read back and matched (`restic check --read-data`), after it was taken;
3. was restored to a scratch place and compared, after it was taken;
4. says so itself (`verified`) and names its snapshot.

The newest backup that keeps all four is the host's proof. A host without one stops the rollout, with the
sentence that says what its best candidate lacks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from suture import policy
from suture.store import Store
from suture.wording import counted


@dataclass(frozen=True)
class BackupPolicy:
    max_age: timedelta
    lead: timedelta
    wait: timedelta
    poll_seconds: int

    @classmethod
    def load(cls, policy_dir: Path) -> BackupPolicy:
        """Read backup.yaml. Raises PolicyError."""
        found = policy.load(policy_dir / "backup.yaml", "backup")
        return cls(
            max_age=timedelta(minutes=found["max_age_minutes"]),
            lead=timedelta(minutes=found["lead_minutes"]),
            wait=timedelta(minutes=found["wait_minutes"]),
            poll_seconds=found["poll_seconds"],
        )


@dataclass(frozen=True)
class Backup:
    """A row of the warehouse's `backup`. snapshot_ref, checked_at, restored_at are None when that never
    happened.
    """

    backup_id: int
    host_id: str
    status: str
    snapshot_ref: str | None
    taken_at: datetime
    checked_at: datetime | None
    restored_at: datetime | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Backup:
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class ProofOfBackup:
    """proven: host → backup_id. missing: host → why there is no proof. patch_start is what it was judged for."""

    patch_start: datetime
    proven: Mapping[str, int]
    missing: Mapping[str, str]

    @property
    def complete(self) -> bool:
        return not self.missing

    @property
    def sentence(self) -> str:
        if self.complete:
            every = "The host has" if len(self.proven) == 1 else f"All {len(self.proven)} hosts have"
            return f"{every} a fresh backup that was read back and restored."
        lacking = " ".join(f"{host}: {why}." for host, why in sorted(self.missing.items()))
        verb = "has" if len(self.missing) == 1 else "have"
        all_hosts = counted(len(self.proven) + len(self.missing), "host")
        return f"{len(self.missing)} of {all_hosts} {verb} no proof of backup. {lacking}"


def prove(
    hosts: Collection[str], backups: Sequence[Backup], patch_start: datetime, max_age: timedelta
) -> ProofOfBackup:
    """Judge the backups of these hosts for a patch that starts at `patch_start`. No host at all is no
    proof of anything.
    """
    proven: dict[str, int] = {}
    missing: dict[str, str] = {}
    for host in sorted(hosts):
        own = sorted((b for b in backups if b.host_id == host), key=lambda backup: backup.taken_at, reverse=True)
        faults = {backup.backup_id: _fault(backup, patch_start, max_age) for backup in own}
        good = next((backup for backup in own if faults[backup.backup_id] is None), None)
        if good is not None:
            proven[host] = good.backup_id
        elif own:
            missing[host] = str(faults[own[0].backup_id])
        else:
            missing[host] = "no backup was taken"
    if not hosts:
        missing["(no host)"] = "the campaign names no host"
    return ProofOfBackup(patch_start, proven, missing)


def proof_for_campaign(
    store: Store, campaign_id: str, hosts: Collection[str], patch_start: datetime, max_age: timedelta
) -> ProofOfBackup:
    """As prove(), from the warehouse's backups of this campaign."""
    rows = store.fetch_all("backup/list_campaign_backups", {"campaign_id": campaign_id})
    return prove(hosts, [Backup.from_row(row) for row in rows], patch_start, max_age)


def _fault(backup: Backup, patch_start: datetime, max_age: timedelta) -> str | None:
    """What this backup lacks; None when it is proof."""
    taken = f"the newest backup ({backup.taken_at:%Y-%m-%d %H:%M:%S} UTC)"
    if backup.status != "verified" or not backup.snapshot_ref:
        return f"{taken} failed"
    if backup.taken_at >= patch_start:
        return f"{taken} was not taken before the patch"
    age = patch_start - backup.taken_at
    if age > max_age:
        return f"{taken} is {_minutes(age)} min old, allowed are {_minutes(max_age)} min"
    if backup.checked_at is None or backup.checked_at < backup.taken_at:
        return f"{taken} was never read back"
    if backup.restored_at is None or backup.restored_at < backup.taken_at:
        return f"{taken} was never restored and compared"
    return None


def _minutes(span: timedelta) -> int:
    return round(span.total_seconds() / 60)
