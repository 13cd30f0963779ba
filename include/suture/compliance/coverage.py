"""Is a host patched? The rules of counting, stated in every report.

1. The unit is a host with one of its applicable packages. A package that a fresh look did not find on a host does not
   apply there, and counts nowhere.
2. Compliant is only what was *verified*: a look after the patch found the planned version or a newer one.
3. A host that was not looked at within the time allowed, cannot be reached, or whose step has no known end is
   *unknown*, and unknown counts as not compliant. So does a package that dpkg left half-way.
4. A host is compliant when every applicable package on it is; a host to which nothing applies is not counted.
5. A share always comes with its denominator. Nothing of nothing is not 100 %: it is no figure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

STALE_AFTER = timedelta(hours=24)
DPKG_WHOLE = frozenset({"ii", "hi"})
DEFINITION = (
    "Counted are production hosts of the campaign, each with every planned package that is installed there. "
    "Compliant: a look after the patch, not older than {hours} hours, found the planned version or a newer one and "
    "dpkg whole. Hosts that are stale, unreachable or in an unknown state count as not compliant."
)


class PatchStatus(StrEnum):
    """Worst first: a host's status is its packages' worst."""

    FAILED = "failed"
    UNKNOWN = "unknown"
    BEHIND = "behind"
    RESTORED = "restored"
    UNVERIFIED = "unverified"
    VERIFIED = "verified"
    NOT_APPLICABLE = "not_applicable"


@dataclass(frozen=True)
class Look:
    """The newest look at a host. at is None when nobody ever looked; fault: why the host cannot be trusted now."""

    at: datetime | None
    fault: str | None = None


@dataclass(frozen=True)
class StepFacts:
    """What the runner did on a host for this campaign. Times are None where it did not happen or did not end."""

    patched_at: datetime | None = None
    verified_at: datetime | None = None
    restored_at: datetime | None = None
    failure: str | None = None
    unfinished: str | None = None


@dataclass(frozen=True)
class InstalledPackage:
    """One planned package on one host. version: as last seen (None: not installed); relation: of it to the target."""

    target_version: str
    version: str | None
    relation: str | None
    dpkg_status: str | None


@dataclass(frozen=True)
class Standing:
    status: PatchStatus
    reason: str


@dataclass(frozen=True)
class Tally:
    """compliant of counted, and how many of each status. share is None when nothing was counted."""

    counted: int
    compliant: int
    by_status: dict[str, int]

    @property
    def share(self) -> float | None:
        return round(self.compliant / self.counted, 4) if self.counted else None


def stand(
    package: InstalledPackage, steps: StepFacts, look: Look, *, now: datetime, stale_after: timedelta = STALE_AFTER
) -> Standing:
    """Where one package on one host stands. The first rule that holds decides."""
    if steps.unfinished is not None:
        return Standing(PatchStatus.UNKNOWN, steps.unfinished)
    if look.at is None:
        return Standing(PatchStatus.UNKNOWN, look.fault or "This host was never looked at.")
    if look.fault is not None:
        return Standing(PatchStatus.UNKNOWN, look.fault)
    if now - look.at > stale_after:
        hours = int((now - look.at).total_seconds() // 3600)
        return Standing(PatchStatus.UNKNOWN, f"Nobody has looked at this host for {hours} hours.")
    if package.version is None:
        return Standing(PatchStatus.NOT_APPLICABLE, "Not installed on this host.")
    if package.dpkg_status is not None and package.dpkg_status not in DPKG_WHOLE:
        return Standing(PatchStatus.FAILED, f"dpkg left it as {package.dpkg_status}.")
    if package.relation == "older":
        return _behind(package, steps)
    if package.relation not in ("equal", "newer"):
        return Standing(PatchStatus.UNKNOWN, f"{package.version} cannot be compared with {package.target_version}.")
    if steps.failure is not None:
        return Standing(PatchStatus.FAILED, steps.failure)
    if steps.patched_at is not None and look.at <= steps.patched_at:
        return Standing(PatchStatus.UNVERIFIED, "Patched, but nobody has looked since.")
    return Standing(PatchStatus.VERIFIED, f"Seen at {package.version} after the patch.")


def host_standing(standings: Sequence[Standing]) -> Standing:
    """The worst of a host's packages; not applicable when none applies."""
    order = list(PatchStatus)
    if not standings:
        return Standing(PatchStatus.NOT_APPLICABLE, "No package of the campaign is installed here.")
    return min(standings, key=lambda standing: order.index(standing.status))


def tally(statuses: Iterable[PatchStatus]) -> Tally:
    counts = Counter(status.value for status in statuses)
    counted = sum(counts.values()) - counts[PatchStatus.NOT_APPLICABLE.value]
    by_status = {status.value: counts[status.value] for status in PatchStatus}
    return Tally(counted, counts[PatchStatus.VERIFIED.value], by_status)


def _behind(package: InstalledPackage, steps: StepFacts) -> Standing:
    if steps.restored_at is not None:
        return Standing(PatchStatus.RESTORED, f"Rolled back to {package.version}.")
    if steps.failure is not None:
        return Standing(PatchStatus.FAILED, steps.failure)
    if steps.patched_at is None:
        return Standing(PatchStatus.BEHIND, f"Not patched yet: {package.version}.")
    return Standing(PatchStatus.BEHIND, f"Still {package.version} after the patch.")
