"""Approvals: who may release a campaign, and when a release holds.

The rules (policy approvers.yaml names the people and the times):

1. A gate has two seats. Each seat's approvers are listed by name.
2. The requester of a campaign never sits in a seat, and nobody sits in both.
3. An approval is given to a plan hash. Another plan needs another approval.
4. An approval expires. A rejection ends the gate. No answer in time is no.
5. These rules are checked here and held by the warehouse's constraints, not only by what the UI shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from suture import evidence, policy
from suture.campaign.campaigns import Campaign, fetch_campaign
from suture.errors import BadInputError, SutureError
from suture.store import Store

RELEASE = "release"
APPROVE, REJECT = "approve", "reject"


class ApprovalError(SutureError):
    """An approval that does not count, or is missing. The campaign must not go on."""


@dataclass(frozen=True)
class Seat:
    name: str
    role: str
    approvers: tuple[str, ...]


@dataclass(frozen=True)
class Gate:
    name: str
    seats: tuple[Seat, ...]
    timeout: timedelta
    validity: timedelta

    @classmethod
    def load(cls, policy_dir: Path, name: str = RELEASE) -> Gate:
        """Read approvers.yaml. Raises PolicyError; BadInputError when it has no such gate."""
        gates = policy.load(policy_dir / "approvers.yaml", "approvers")["gates"]
        for entry in gates:
            if entry["name"] == name:
                return cls(
                    name=name,
                    seats=tuple(_seat(seat) for seat in entry["seats"]),
                    timeout=timedelta(minutes=entry["timeout_minutes"]),
                    validity=timedelta(hours=entry["valid_hours"]),
                )
        raise BadInputError(f"approvers.yaml has no gate {name!r}.")

    def seat(self, name: str) -> Seat:
        for seat in self.seats:
            if seat.name == name:
                return seat
        raise BadInputError(f"The gate {self.name!r} has no seat {name!r}.")


def eligible(store: Store, campaign: Campaign, gate: Gate, seat_name: str) -> tuple[str, ...]:
    """Who may answer for this seat now. Raises ApprovalError when nobody is left."""
    sat = {row["approver"] for row in _decisions(store, campaign, gate)}
    left = tuple(
        name for name in gate.seat(seat_name).approvers if name != campaign.requested_by and name not in sat
    )
    if not left:
        raise ApprovalError(
            f"Nobody may take the {seat_name} seat of {campaign.campaign_id}: its approvers are the requester "
            f"({campaign.requested_by}) or have decided already.",
            remedy="Name another approver for this seat in approvers.yaml.",
        )
    return left


def decide(
    store: Store,
    *,
    campaign_id: str,
    gate: Gate,
    seat_name: str,
    approver: str,
    decision: str,
    plan_hash: str,
    comment: str | None = None,
    at: datetime | None = None,
) -> None:
    """Record one answer. Raises ApprovalError when the rules forbid it; the refused try is evidence too."""
    at = at or datetime.now(UTC)
    campaign = fetch_campaign(store, campaign_id)
    refusal = _refusal(store, campaign, gate, seat_name, approver, plan_hash)
    grounds = {"gate": gate.name, "seat": seat_name, "plan_hash": plan_hash, "comment": comment}
    if refusal is not None:
        evidence.record(
            store,
            actor=approver,
            action="approval_refused",
            subject=f"campaign:{campaign_id}",
            campaign_id=campaign_id,
            grounds={**grounds, "decision": decision, "why": refusal},
        )
        raise ApprovalError(refusal)
    with store.transaction():
        written = store.execute(
            "approval/insert_approval",
            {
                "campaign_id": campaign_id,
                "gate": gate.name,
                "seat": seat_name,
                "approver": approver,
                "decision": decision,
                "comment": comment,
                "plan_hash": plan_hash,
                "decided_at": at,
                "expires_at": at + gate.validity,
            },
        )
        if written != 1:
            raise ApprovalError(f"The {seat_name} seat of {campaign_id} was answered by somebody else meanwhile.")
        evidence.record(
            store,
            actor=approver,
            action="release_approved" if decision == APPROVE else "release_rejected",
            subject=f"campaign:{campaign_id}",
            campaign_id=campaign_id,
            grounds=grounds,
            at=at,
        )


def require_release(store: Store, campaign: Campaign, gate: Gate, *, at: datetime | None = None) -> list[str]:
    """The names of the people who released exactly this plan. Raises ApprovalError unless every seat did, unexpired."""
    at = at or datetime.now(UTC)
    approvers: list[str] = []
    given = {row["seat"]: row for row in _decisions(store, campaign, gate)}
    for seat in gate.seats:
        row = given.get(seat.name)
        if row is None:
            raise ApprovalError(f"{campaign.campaign_id}: the {seat.name} seat ({seat.role}) has not released it.")
        if row["decision"] != APPROVE:
            raise ApprovalError(f"{campaign.campaign_id} was rejected by {row['approver']} on {row['decided_at']}.")
        if row["expires_at"] <= at:
            raise ApprovalError(
                f"{campaign.campaign_id}: the approval of {row['approver']} expired on {row['expires_at']}.",
                remedy="Ask for a new release: clear the DAG run of release_approval.",
            )
        approvers.append(row["approver"])
    if len(set(approvers)) != len(approvers) or campaign.requested_by in approvers:
        raise ApprovalError(f"{campaign.campaign_id}: the seats were not taken by different people.")
    return approvers


def _refusal(
    store: Store, campaign: Campaign, gate: Gate, seat_name: str, approver: str, plan_hash: str
) -> str | None:
    if approver == campaign.requested_by:
        return f"{approver} requested {campaign.campaign_id} and may not release it."
    if approver not in gate.seat(seat_name).approvers:
        return f"{approver} is no approver of the {seat_name} seat of the gate {gate.name!r}."
    if any(row["approver"] == approver for row in _decisions(store, campaign, gate)):
        return f"{approver} has already decided on {campaign.campaign_id}; the other seat needs another person."
    if plan_hash != campaign.plan_hash:
        return f"{campaign.campaign_id}'s plan changed after it was shown to {approver}."
    return None


def _decisions(store: Store, campaign: Campaign, gate: Gate) -> list[Mapping[str, Any]]:
    rows = store.fetch_all("approval/list_approvals", {"campaign_id": campaign.campaign_id})
    return [row for row in rows if row["gate"] == gate.name and row["plan_hash"] == campaign.plan_hash]


def _seat(entry: Mapping[str, Any]) -> Seat:
    return Seat(entry["name"], entry.get("role", entry["name"]), tuple(entry["approvers"]))
