"""The vendor's part of a case: asked, acknowledged, a hotfix offered or declined; and what a person says in the vendor's place.

A desk is asked and looked at by the DAG. A vendor without a desk is written to by a person, who tells Suture what came back with
`./suture case acknowledge` and `./suture case offer`; the same functions are behind both, and nothing that is said here proves
anything of the hotfix.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from suture.sourcing.cases.case import Case, add_event, fetch_case, move_case
from suture.sourcing.cases.desk import Desk, DeskAnswer, DeskStatus
from suture.sourcing.cases.states import WAITS_FOR_VENDOR, CaseError, CaseState
from suture.sourcing.cases.vendors import DESK, VendorRegister
from suture.store import Store

ACTOR = "suture:emergency_patch"


def ask_vendor(store: Store, register: VendorRegister, secrets_dir: Path, case_id: str, *, now: datetime) -> Case:
    """Ask the vendor, once; the case, asked. A vendor without a desk is noted as to be written to. Waits for a description.

    Raises DeskError (retryable when the desk did not answer): the case is still open then.
    """
    case = fetch_case(store, case_id)
    if case.state is not CaseState.OPEN or not case.described:
        return case
    vendor = register.vendor(case.vendor)
    by = now + vendor.acknowledge_within
    if vendor.contact_kind != DESK:
        reason = f"{vendor.title} is to be written to at {vendor.contact_address}: ./suture case request {case_id} prints the text."
        return move_case(
            store,
            case,
            CaseState.ASKED,
            kind="asked",
            reason=reason,
            actor=ACTOR,
            at=now,
            asked_at=now,
            acknowledge_by=by,
        )
    answer = Desk(vendor, secrets_dir).ask(case, acknowledge_by=by)
    asked = move_case(
        store, case, CaseState.ASKED, kind="asked", reason=f"{vendor.title} was asked; its reference is {answer.reference}.",
        actor=ACTOR, at=now, asked_at=now, acknowledge_by=by, vendor_reference=answer.reference,
    )  # fmt: skip
    return take_answer(store, register, asked, answer, actor=ACTOR, now=now)


def look(store: Store, register: VendorRegister, secrets_dir: Path, case_id: str, *, now: datetime) -> Case:
    """The case as it is now, after a look at the vendor's desk where it has one and something is still to come.

    What is overdue is said once, as an event. Raises DeskError.
    """
    case = fetch_case(store, case_id)
    vendor = register.vendor(case.vendor)
    if case.state in WAITS_FOR_VENDOR and vendor.contact_kind == DESK and case.vendor_reference:
        answer = Desk(vendor, secrets_dir).look(case.vendor_reference)
        case = take_answer(store, register, case, answer, actor=ACTOR, now=now)
    note_overdue(store, register, case, now=now)
    return case


def take_answer(
    store: Store, register: VendorRegister, case: Case, answer: DeskAnswer, *, actor: str, now: datetime
) -> Case:
    """Move the case by what the vendor says; unchanged when that is nothing new."""
    words = f" It says: {answer.message}" if answer.message else ""
    vendor = register.vendor(case.vendor)
    if answer.status is DeskStatus.DECLINED:
        reason = f"{vendor.title} will not give a hotfix.{words}"
        return move_case(store, case, CaseState.DECLINED, kind="declined", reason=reason, actor=actor, at=now)
    if answer.status is not DeskStatus.RECEIVED and case.state is CaseState.ASKED:
        case = acknowledge(
            store, register, case, reference=answer.reference, words=words if answer.hotfix_version is None else "",
            actor=actor, now=now,
        )  # fmt: skip
    if answer.hotfix_version and case.state in WAITS_FOR_VENDOR and answer.hotfix_version != _refused_version(case):
        case = offer(store, register, case, version=answer.hotfix_version, words=words, actor=actor, now=now)
    return case


def acknowledge(
    store: Store,
    register: VendorRegister,
    case: Case,
    *,
    reference: str | None,
    actor: str,
    now: datetime,
    words: str = "",
) -> Case:
    """The vendor answered. Raises CaseError when the case does not wait for that."""
    vendor = register.vendor(case.vendor)
    late = " late" if case.acknowledge_by and now > case.acknowledge_by else ""
    return move_case(
        store, case, CaseState.ACKNOWLEDGED, kind="acknowledged", reason=f"{vendor.title} acknowledged{late}.{words}",
        actor=actor, at=now, acknowledged_at=now, fix_by=now + vendor.fix_within, vendor_reference=reference,
    )  # fmt: skip


def offer(
    store: Store, register: VendorRegister, case: Case, *, version: str, actor: str, now: datetime, words: str = ""
) -> Case:
    """The vendor names a hotfix. Raises CaseError: no hotfix source in policy, the version refused before, wrong state."""
    vendor = register.vendor(case.vendor)
    if not vendor.hotfix_source:
        raise CaseError(
            f"vendors.yaml names no hotfix_source for {vendor.name}: there is no way in for a hotfix.",
            remedy="Add the vendor's hotfix repository to sources.yaml, with its pinned keys, and name it in vendors.yaml.",
        )
    if version == _refused_version(case):
        raise CaseError(f"{case.source_package} {version} was refused already: {case.state_reason}")
    return move_case(
        store, case, CaseState.OFFERED, kind="offered",
        reason=f"{vendor.title} offers {case.source_package} {version}.{words}", actor=actor, at=now, hotfix_version=version,
    )  # fmt: skip


def withdraw(store: Store, case: Case, *, actor: str, reason: str, now: datetime) -> Case:
    """Give the case up. Raises CaseError once its hotfix is under way."""
    return move_case(store, case, CaseState.WITHDRAWN, kind="withdrawn", reason=reason, actor=actor, at=now)


def note_overdue(store: Store, register: VendorRegister, case: Case, *, now: datetime) -> list[str]:
    """What the vendor owes and did not give in time; each is said once. [] when nothing new."""
    vendor, said = register.vendor(case.vendor), []
    owed = []
    if case.state is CaseState.ASKED and case.acknowledge_by and now > case.acknowledge_by:
        owed.append(("acknowledgement", f"{vendor.title} owed an answer by {case.acknowledge_by:%Y-%m-%d %H:%M} UTC."))
    if case.state in (CaseState.ACKNOWLEDGED, CaseState.REFUSED) and case.fix_by and now > case.fix_by:
        owed.append(("fix", f"{vendor.title} owed a hotfix by {case.fix_by:%Y-%m-%d %H:%M} UTC."))
    for what, sentence in owed:
        text = f"{sentence} Escalate: {vendor.contact_address}; consider a mitigation meanwhile."
        if add_event(store, case.case_id, kind="overdue", actor=ACTOR, sentence=text, at=now, marker=f"overdue:{what}"):
            said.append(text)
    return said


def _refused_version(case: Case) -> str | None:
    return case.hotfix_version if case.state is CaseState.REFUSED else None
