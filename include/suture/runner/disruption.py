"""The disruption budget: how many hosts of a group may be out of service at once.

The rules:

1. A group's hosts are out when the last look at them found them unreachable, or when a step that takes a host out of
   service (patch, restore, fence) was begun there and has not ended well in a campaign that is not over.
2. What is out already counts against `max_unavailable`, whatever put it there; never all of a group that has more than one.
3. To work on a host that is out already takes nobody out: such hosts come first, and cost nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from suture.errors import SutureError
from suture.store import Store


class BudgetError(SutureError):
    """No host may be taken out of service now: the disruption budget is used up."""

    retryable = True


def room_to_disrupt(hosts: Sequence[str], unavailable: Sequence[str], max_unavailable: int) -> int:
    """How many hosts of a group may be taken out of service now. Raises BudgetError when it is none.

    hosts: the whole group that gives the service; unavailable: those of them that are out already, for
    whatever reason.
    """
    out = sorted(set(hosts) & set(unavailable))
    most = max_unavailable if len(hosts) == 1 else min(max_unavailable, len(hosts) - 1)
    room = most - len(out)
    if room <= 0:
        raise BudgetError(
            f"Of {len(hosts)} hosts at most {most} may be out of service at once, and {len(out)} are:"
            f" {', '.join(out)}.",
            remedy="Bring them back, then try again.",
        )
    return room


def hosts_out_of_service(store: Store, asset_group: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """All production hosts of a group, and those of them that are out, each with why."""
    rows = store.fetch_all("host/list_group_availability", {"asset_group": asset_group})
    return (
        tuple(row["host_id"] for row in rows),
        {row["host_id"]: row["out_because"] for row in rows if row["out_because"] is not None},
    )


def next_batch(
    waiting: Sequence[str], group_hosts: Sequence[str], out: Mapping[str, str], max_unavailable: int
) -> list[str]:
    """The hosts to work on next, at least one. Raises BudgetError when that would take too many out."""
    size = max(1, max_unavailable)
    out_already = [host for host in waiting if host in out]
    if out_already:
        return out_already[:size]
    everyone = sorted({*group_hosts, *waiting})
    return list(waiting[: room_to_disrupt(everyone, [host for host in out if host not in waiting], size)])
