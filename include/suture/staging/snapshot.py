"""The snapshot of the internal repository that staging holds, and the proof that production gets the same files.

The rules:

1. At the parity check the published state is written down: aptly's name for it, a digest over everything that it offers,
   and the SHA-256 of each file that the campaign's plan names. A planned file that is not on offer is refused.
2. A snapshot never changes: while the same name is published its digest must be the same.
3. Other campaigns may publish newer snapshots meanwhile. Then every planned file must still be on offer, the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from suture.errors import SutureError
from suture.model import CampaignPlan


class SnapshotChangedError(SutureError):
    """What production would install is not what staging was tested with."""


class OfferedPackage(Protocol):
    """A package on offer, as the internal repository's index has it."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def architecture(self) -> str: ...
    @property
    def sha256(self) -> str | None: ...


@dataclass(frozen=True)
class HeldSnapshot:
    """snapshot: aptly's name. digest: over all that it offers. files: {"name version architecture": sha256} of the plan."""

    snapshot: str
    digest: str
    files: Mapping[str, str]

    def as_json(self) -> dict[str, Any]:
        return {"snapshot": self.snapshot, "digest": self.digest, "files": dict(self.files)}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> HeldSnapshot:
        return cls(found["snapshot"], found["digest"], dict(found["files"]))


def hold(snapshot: str, offered: Sequence[OfferedPackage], plan: CampaignPlan) -> HeldSnapshot:
    """Write down what is published. Raises SnapshotChangedError when a planned file is missing or another one."""
    files = _planned_files(snapshot, offered, plan)
    return HeldSnapshot(snapshot, _digest(offered), files)


def require_same(held: HeldSnapshot, snapshot: str, offered: Sequence[OfferedPackage], plan: CampaignPlan) -> str:
    """A sentence that says how it is still the same. Raises SnapshotChangedError when it is not."""
    files = _planned_files(snapshot, offered, plan)
    if snapshot == held.snapshot and _digest(offered) != held.digest:
        raise SnapshotChangedError(
            f"The snapshot {snapshot} does not offer what it offered when staging was tested: a snapshot never changes.",
            remedy="Somebody edited the internal repository: restore it from its backup. Then plan the campaign anew.",
        )
    changed = sorted(name for name, sha256 in held.files.items() if files.get(name) != sha256)
    if changed or set(files) != set(held.files):
        told = ", ".join(changed or sorted(set(files) ^ set(held.files)))
        raise SnapshotChangedError(
            f"{told}: production would get other files than staging was tested with (snapshot {held.snapshot}).",
            remedy="Plan the campaign anew, so that staging tests what production gets.",
        )
    if snapshot == held.snapshot:
        return f"Production gets the snapshot {snapshot} that staging was tested with."
    return f"Production gets the same {len(files)} files as staging, from {held.snapshot} by way of {snapshot}."


def _digest(offered: Iterable[OfferedPackage]) -> str:
    lines = sorted(f"{p.name} {p.version} {p.architecture} {p.sha256}" for p in offered)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _planned_files(snapshot: str, offered: Sequence[OfferedPackage], plan: CampaignPlan) -> dict[str, str]:
    table = {(p.name, p.version, p.architecture): p.sha256 or "" for p in offered}
    found = {}
    for package in plan.packages:
        key = (package.package, package.version, package.architecture)
        sha256 = table.get(key, "")
        if not sha256 or (package.sha256 is not None and package.sha256 != sha256):
            raise SnapshotChangedError(
                f"The snapshot {snapshot} does not offer {package.package} {package.version} as it was validated.",
                remedy="Plan the campaign anew (campaign_replan): its packages are then validated and tested again.",
            )
        found[" ".join(key)] = sha256
    return found
