"""Signing an acceptance: one seat after the other, by role, never the requester, nobody twice.

The rules:

1. A seat is a role that the quorum rule named when the request was made. Who holds the role now, less the requester and
   less whoever has voted, may answer it.
2. A vote is for the hash of the terms that were shown. The same vote told again counts once; any other second vote is
   refused, and the refused try is evidence.
3. A rejection, or a seat that nobody answered in time, ends it: no.
4. It becomes active only when every seat accepted, and no fact speaks against it at that moment; otherwise it is voided.
5. These rules are checked here and held by the warehouse's constraints, not only by what the UI shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from suture import evidence
from suture.campaign import CampaignState, move
from suture.risk.acceptance_policy import AcceptancePolicy
from suture.risk.acceptance_request import check_not_under_way
from suture.risk.acceptance_states import AcceptanceError, AcceptanceState, move_acceptance
from suture.store import Store

ACCEPT, REJECT = "accept", "reject"
Row = Mapping[str, Any]
_S = AcceptanceState
_ENDED = (CampaignState.CLOSED, CampaignState.ROLLED_BACK, CampaignState.SUPERSEDED)


def fetch_acceptance(store: Store, acceptance_id: str) -> Row:
    """One acceptance's row. Raises AcceptanceError when there is none of that name."""
    row = store.fetch_one("acceptance/fetch_acceptance", {"acceptance_id": acceptance_id})
    if row is None:
        raise AcceptanceError(
            f"There is no acceptance {acceptance_id!r}.", remedy="`./suture acceptance list` shows all there are."
        )
    return row


def votes_of(store: Store, acceptance_id: str) -> list[dict[str, Any]]:
    return store.fetch_all("acceptance/list_votes", {"acceptance_id": acceptance_id})


def faults_of(store: Store, acceptance_id: str, at: datetime) -> list[dict[str, Any]]:
    """What speaks against a requested or active acceptance at this moment ([]: it holds)."""
    return store.fetch_all("acceptance/list_acceptance_faults", {"acceptance_id": acceptance_id, "at": at})


def seat_opens(
    store: Store, policy: AcceptancePolicy, acceptance_id: str, seat: int, *, now: datetime
) -> tuple[str, ...]:
    """Who may answer this seat now; () when the quorum does not need it. It gets its own time to answer.

    Raises AcceptanceError when nobody may, or when the acceptance is no longer waiting.
    """
    row = fetch_acceptance(store, acceptance_id)
    if seat > len(row["seats"]):
        return ()
    if row["state"] != _S.REQUESTED:
        raise AcceptanceError(f"{acceptance_id} is {row['state']}: nobody is asked. ({row['state_reason']})")
    voted = {vote["voter"] for vote in votes_of(store, acceptance_id)}
    role = policy.role(row["seats"][seat - 1])
    left = tuple(name for name in role.members if name != row["requested_by"] and name not in voted)
    if not left:
        raise AcceptanceError(
            f"Nobody may sign {acceptance_id} as {role.title}: its members are the requester "
            f"({row['requested_by']}) or have voted already.",
            remedy="Name another member of the role in acceptance.yaml, then ask anew.",
        )
    store.execute(
        "acceptance/prolong_answer", {"acceptance_id": acceptance_id, "answer_by": now + policy.answer_within, "at": now}
    )
    return left


def vote(
    store: Store,
    policy: AcceptancePolicy,
    *,
    acceptance_id: str,
    seat: int,
    voter: str,
    decision: str,
    terms_hash: str,
    comment: str | None,
    now: datetime,
) -> None:
    """Record one answer; a rejection ends the request. Raises AcceptanceError when the rules forbid it."""
    with store.transaction():
        row = store.fetch_one("acceptance/lock_acceptance", {"acceptance_id": acceptance_id})
        if row is None:
            raise AcceptanceError(f"There is no acceptance {acceptance_id!r}.")
        given = votes_of(store, acceptance_id)
        if _told_again(given, seat, voter, decision, terms_hash):
            return
        refusal = _refusal(row, given, policy, seat, voter, terms_hash, now)
        if refusal is None:
            _write_vote(store, row, seat, voter, decision, terms_hash, comment, now)
            return
    # Outside the transaction that was refused, so that the try stays on record.
    evidence.record(
        store,
        actor=voter or "unknown",
        action="acceptance_vote_refused",
        subject=f"acceptance:{acceptance_id}",
        grounds={"seat": seat, "decision": decision, "terms_hash": terms_hash, "comment": comment, "why": refusal},
        at=now,
    )
    raise AcceptanceError(refusal)


def reject(store: Store, acceptance_id: str, *, actor: str, reason: str, now: datetime) -> None:
    """End a request with no. One that was rejected before stays so."""
    if fetch_acceptance(store, acceptance_id)["state"] == _S.REJECTED:
        return
    move_acceptance(
        store, acceptance_id, expected=_S.REQUESTED, to=_S.REJECTED, actor=actor, reason=reason, at=now
    )


def sign(store: Store, acceptance_id: str, *, actor: str, now: datetime) -> AcceptanceState:
    """Make a request active when its quorum stands and nothing speaks against it; voided when something does.

    Told again, it does nothing. Raises AcceptanceError when a signature is missing.
    """
    with store.transaction():
        row = store.fetch_one("acceptance/lock_acceptance", {"acceptance_id": acceptance_id})
        if row is None:
            raise AcceptanceError(f"There is no acceptance {acceptance_id!r}.")
        if row["state"] != _S.REQUESTED:
            return AcceptanceState(row["state"])
        signers = _signers(row, votes_of(store, acceptance_id))
        faults = faults_of(store, acceptance_id, now)
        covered = store.fetch_all("acceptance/list_scope_findings", row)
        stuck = check_not_under_way(covered)
        if stuck:
            faults.append({"kind": "under_way", "subject": acceptance_id, "detail": stuck})
        if faults:
            reason = f"It changed between request and signature: {faults[0]['detail']}"
            move_acceptance(
                store,
                acceptance_id,
                expected=_S.REQUESTED,
                to=_S.VOIDED,
                actor=actor,
                reason=reason,
                faults=faults,
                at=now,
            )
            return _S.VOIDED
        _activate(store, row, signers, covered, actor=actor, now=now)
    return _S.ACTIVE


def _activate(
    store: Store, row: Row, signers: list[str], covered: list[dict[str, Any]], *, actor: str, now: datetime
) -> None:
    acceptance_id = row["acceptance_id"]
    _free_from_campaigns(store, acceptance_id, covered, actor=actor, now=now)
    store.fetch_one("acceptance/single_out_accepted", {"acceptance_id": acceptance_id})
    accepted = store.execute("acceptance/accept_findings", {"acceptance_id": acceptance_id})
    move_acceptance(
        store,
        acceptance_id,
        expected=_S.REQUESTED,
        to=_S.ACTIVE,
        actor=actor,
        reason=f"Signed by {' and '.join(signers)}; it holds until {row['expires_at']:%Y-%m-%d %H:%M} UTC.",
        grounds={"signers": signers, "terms_hash": row["terms_hash"], "accepted_findings": accepted},
        at=now,
    )
    for older in store.fetch_all("acceptance/list_superseded", {"acceptance_id": acceptance_id}):
        move_acceptance(
            store,
            older["acceptance_id"],
            expected=_S.ACTIVE,
            to=_S.SUPERSEDED,
            actor=actor,
            reason=f"{acceptance_id} covers all that it covered.",
            at=now,
        )


def _free_from_campaigns(
    store: Store, acceptance_id: str, covered: list[dict[str, Any]], *, actor: str, now: datetime
) -> None:
    """A campaign that is not released yet and carries an accepted finding is given up: what is left is planned anew."""
    carrying = {row["campaign_id"]: CampaignState(row["campaign_state"]) for row in covered if row["campaign_id"]}
    for campaign_id, state in sorted(carrying.items()):
        if state not in _ENDED:
            move(
                store,
                campaign_id,
                expected=state,
                to=CampaignState.SUPERSEDED,
                actor=actor,
                reason=f"{acceptance_id} accepts a risk that it carries; its other findings are planned anew.",
                grounds={"acceptance_id": acceptance_id},
                at=now,
            )


def _write_vote(
    store: Store, row: Row, seat: int, voter: str, decision: str, terms_hash: str, comment: str | None, now: datetime
) -> None:
    acceptance_id, role = row["acceptance_id"], row["seats"][seat - 1]
    written = store.execute(
        "acceptance/insert_vote",
        {
            "acceptance_id": acceptance_id,
            "seat": seat,
            "role": role,
            "voter": voter,
            "decision": decision,
            "comment": comment,
            "terms_hash": terms_hash,
            "decided_at": now,
        },
    )
    if written != 1:
        raise AcceptanceError(f"Seat {seat} of {acceptance_id} was answered by somebody else meanwhile.")
    evidence.record(
        store,
        actor=voter,
        action="acceptance_signed" if decision == ACCEPT else "acceptance_rejected",
        subject=f"acceptance:{acceptance_id}",
        grounds={"seat": seat, "role": role, "terms_hash": terms_hash, "comment": comment},
        at=now,
    )
    if decision != ACCEPT:
        move_acceptance(
            store,
            acceptance_id,
            expected=_S.REQUESTED,
            to=_S.REJECTED,
            actor=voter,
            reason=f"{voter} ({role.replace('_', ' ')}) said no." + (f" {comment}" if comment else ""),
            at=now,
        )


def _told_again(given: list[dict[str, Any]], seat: int, voter: str, decision: str, terms_hash: str) -> bool:
    """Whether exactly this vote stands already: the task died after it was written, and tells it again."""
    known = {(row["seat"], row["voter"], row["decision"], row["terms_hash"]) for row in given}
    return (seat, voter, decision, terms_hash) in known


def _refusal(
    row: Row,
    given: list[dict[str, Any]],
    policy: AcceptancePolicy,
    seat: int,
    voter: str,
    terms_hash: str,
    now: datetime,
) -> str | None:
    acceptance_id, seats = row["acceptance_id"], row["seats"]
    if voter == row["requested_by"]:
        return f"{voter} asked for {acceptance_id} and may not sign it."
    if row["state"] != _S.REQUESTED:
        return f"{acceptance_id} is {row['state']}: it takes no vote. ({row['state_reason']})"
    if now > row["answer_by"]:
        return f"{acceptance_id} waited until {row['answer_by']:%Y-%m-%d %H:%M} UTC; this vote came later."
    if not 1 <= seat <= len(seats) or voter not in policy.role(seats[seat - 1]).members:
        return f"{voter or 'An unknown person'} holds no role that seat {seat} of {acceptance_id} asks for."
    if any(vote["voter"] == voter for vote in given):
        return f"{voter} has already voted on {acceptance_id}; another person is needed."
    if any(vote["seat"] == seat for vote in given):
        return f"Seat {seat} of {acceptance_id} has been answered already."
    if terms_hash != row["terms_hash"]:
        return f"The terms of {acceptance_id} are not those that were shown to {voter}."
    return None


def _signers(row: Row, given: list[dict[str, Any]]) -> list[str]:
    """Who signed, a person for each seat. Raises AcceptanceError when a seat has no signature for these terms."""
    signers: list[str] = []
    for seat, role in enumerate(row["seats"], start=1):
        found = [vote for vote in given if vote["seat"] == seat and vote["role"] == role]
        if not found or found[0]["decision"] != ACCEPT or found[0]["terms_hash"] != row["terms_hash"]:
            raise AcceptanceError(f"{row['acceptance_id']}: seat {seat} ({role.replace('_', ' ')}) has not signed it.")
        signers.append(found[0]["voter"])
    if len(set(signers)) != len(signers) or row["requested_by"] in signers:
        raise AcceptanceError(f"{row['acceptance_id']}: the seats were not taken by different people.")
    return signers
