"""Asking that a risk be accepted: the form is checked, its scope is frozen, and the terms get a hash that people sign.

The rules:

1. The requester is the person who started the run, told by Airflow; a form has no field for it. No person, no request.
2. The scope is what the form names: (CVEs, advisories or source packages) on (hosts or asset groups). It must match live
   findings; the (host, advisory) pairs that it matches now are frozen, with a hash over them.
3. Every text is data, kept as it was typed; only NUL, which the warehouse refuses, is refused.
4. How many must sign and how long it may last follow from policy: from the worst covered finding, from whether a covered
   CVE is known to be exploited, and from the residual risk that the requester states.
5. What a campaign past its release carries cannot be accepted: decide on that campaign first.
6. An extension is a new request, with new signatures; it may name the acceptance that it follows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from suture import evidence
from suture.campaign import CampaignState
from suture.errors import BadInputError
from suture.model import Priority, is_cve_id
from suture.model.plan import canonical_hash
from suture.risk.acceptance_policy import RESIDUAL_RISKS, AcceptancePolicy, QuorumRule
from suture.risk.acceptance_states import AcceptanceError
from suture.risk.scoring import most_urgent
from suture.store import Store
from suture.wording import counted

MOST_CHARACTERS = 4000
MOST_NAMES = 200
UNDER_WAY = frozenset(
    {
        CampaignState.APPROVED,
        CampaignState.ROLLING_OUT,
        CampaignState.HALTED,
        CampaignState.VERIFIED,
        CampaignState.ROLLING_BACK,
    }
)
_SCOPE_FIELDS = ("cve_ids", "advisory_ids", "source_packages", "host_ids", "asset_groups")


@dataclass(frozen=True)
class AcceptanceForm:
    """A form whose fields were checked one by one. expires_on: the last day (UTC) on which it holds."""

    cve_ids: tuple[str, ...]
    advisory_ids: tuple[str, ...]
    source_packages: tuple[str, ...]
    host_ids: tuple[str, ...]
    asset_groups: tuple[str, ...]
    justification: str
    compensating_control: str
    residual_risk: str
    expires_on: date
    review_on: date
    extends: str | None = None

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> AcceptanceForm:
        """From a form's raw values. Raises BadInputError that names the field."""
        names = {field: _names(fields.get(field), field) for field in _SCOPE_FIELDS}
        for cve_id in names["cve_ids"]:
            if not is_cve_id(cve_id):
                raise BadInputError(f"cve_ids: {cve_id!r} is no CVE id.", remedy="Write it as CVE-2026-12345.")
        risk = _text(fields.get("residual_risk"), "residual_risk")
        if risk not in RESIDUAL_RISKS:
            raise BadInputError(f"residual_risk: {risk!r} is none of {', '.join(RESIDUAL_RISKS)}.")
        extends = fields.get("extends")
        return cls(
            **names,
            justification=_text(fields.get("justification"), "justification"),
            compensating_control=_text(fields.get("compensating_control"), "compensating_control"),
            residual_risk=risk,
            expires_on=_date(fields.get("expires_on"), "expires_on"),
            review_on=_date(fields.get("review_on"), "review_on"),
            extends=_text(extends, "extends") if extends else None,
        )

    @property
    def expires_at(self) -> datetime:
        """The end of its last day."""
        return datetime.combine(self.expires_on + timedelta(days=1), time(), UTC)

    def scope(self) -> dict[str, list[str]]:
        return {field: list(getattr(self, field)) for field in _SCOPE_FIELDS}


def request_acceptance(
    store: Store, policy: AcceptancePolicy, form: AcceptanceForm, *, requester: str | None, run_id: str, now: datetime
) -> str:
    """Write the request with its frozen scope and evidence; its id. The same run asks once, however often it is tried.

    Raises AcceptanceError without a requester or for a scope that cannot be accepted, BadInputError for the form.
    """
    if not requester:
        raise AcceptanceError(
            "Nobody is known to have started this run, so there is no requester.",
            remedy="Trigger risk_acceptance by hand, logged in.",
        )
    with store.transaction():
        known = store.fetch_one("acceptance/find_run_acceptance", {"run_id": run_id})
        if known is not None:
            return str(known["acceptance_id"])
        covered = _covered(store, form)
        threats = store.fetch_all(
            "acceptance/list_scope_threats", {"advisory_ids": sorted({row["advisory_id"] for row in covered})}
        )
        priority = most_urgent(Priority(row["priority"]) for row in covered)
        exploited = any(row["kev_added"] or row["exploitation"] == "active" for row in threats)
        rule = policy.rule_for(in_kev=exploited, priority=priority, residual_risk=form.residual_risk)
        _check_terms(store, policy, rule, form, now)
        acceptance_id = _number(store, now)
        terms = {
            "acceptance_id": acceptance_id,
            "requested_by": requester,
            **form.scope(),
            "scope_hash": scope_hash((row["host_id"], row["advisory_id"]) for row in covered),
            "justification": form.justification,
            "compensating_control": form.compensating_control,
            "residual_risk": form.residual_risk,
            "priority": priority.value,
            "quorum_rule": rule.name,
            "seats": list(rule.seats),
            "extends": form.extends,
            "review_on": form.review_on.isoformat(),
            "expires_at": form.expires_at.isoformat(),
        }
        _write(store, terms, covered, threats, run_id=run_id, answer_by=now + policy.answer_within, now=now)
    return acceptance_id


def scope_hash(pairs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over "host TAB advisory LF", in byte order; the warehouse's acceptance_scope_hash() gives the same."""
    text = "".join(f"{host}\t{advisory}\n" for host, advisory in sorted(pairs))
    return hashlib.sha256(text.encode()).hexdigest()


def _covered(store: Store, form: AcceptanceForm) -> list[dict[str, Any]]:
    if not (form.cve_ids or form.advisory_ids or form.source_packages):
        raise BadInputError("The scope names no CVE, advisory or source package: an empty selector means none, never all.")
    if not (form.host_ids or form.asset_groups):
        raise BadInputError("The scope names no host or asset group: an empty selector means none, never all.")
    covered = store.fetch_all("acceptance/list_scope_findings", form.scope())
    if not covered:
        raise AcceptanceError(
            "No open finding falls under this scope: there is nothing to accept.",
            remedy="`./suture match` and the fleet report show what is open.",
        )
    stuck = check_not_under_way(covered)
    if stuck:
        raise AcceptanceError(stuck, remedy="Decline or finish that campaign first.")
    return covered


def check_not_under_way(covered: Sequence[Mapping[str, Any]]) -> str | None:
    """Why these findings cannot be accepted: a campaign past its release carries one of them; None when none does."""
    for row in covered:
        if row["campaign_state"] in UNDER_WAY:
            return (
                f"{row['advisory_id']} on {row['host_id']} is carried by {row['campaign_id']}, "
                f"which is {row['campaign_state'].replace('_', ' ')}."
            )
    return None


def _check_terms(
    store: Store, policy: AcceptancePolicy, rule: QuorumRule, form: AcceptanceForm, now: datetime
) -> None:
    for field in ("justification", "compensating_control"):
        typed = len(" ".join(getattr(form, field).split()))
        if typed < policy.min_justification:
            raise BadInputError(
                f"{field}: {typed} characters; policy asks for at least {policy.min_justification}.",
                remedy="Say why it cannot be patched now, and what keeps the risk small meanwhile.",
            )
    if form.expires_at <= now:
        raise BadInputError(f"expires_on: {form.expires_on} is past.")
    if form.expires_at > now + rule.max_duration + timedelta(days=1):
        raise BadInputError(
            f"expires_on: {form.expires_on} is later than policy allows: at most {rule.max_duration.days} days "
            f"by its rule {rule.name!r}."
        )
    latest = min(form.expires_on, (now + policy.max_review).date())
    if not now.date() <= form.review_on <= latest:
        raise BadInputError(f"review_on: {form.review_on} is not between {now.date()} and {latest}.")
    followed = {"acceptance_id": form.extends}
    if form.extends is not None and store.fetch_one("acceptance/fetch_acceptance", followed) is None:
        raise BadInputError(f"extends: there is no acceptance {form.extends!r}.")


def _number(store: Store, now: datetime) -> str:
    year = now.astimezone(UTC).year
    row = store.fetch_one("acceptance/next_acceptance_number", {"year": year})
    assert row is not None
    return f"ACC-{year}-{row['last_number']:04d}"


def _write(
    store: Store,
    terms: Mapping[str, Any],
    covered: Sequence[Mapping[str, Any]],
    threats: Sequence[Mapping[str, Any]],
    *,
    run_id: str,
    answer_by: datetime,
    now: datetime,
) -> None:
    acceptance_id, terms_hash = terms["acceptance_id"], canonical_hash(dict(terms))
    hosts = len({row["host_id"] for row in covered})
    asked = f"Asked for by {terms['requested_by']}: {counted(len(covered), 'finding')} on {counted(hosts, 'host')}."
    store.execute(
        "acceptance/insert_acceptance",
        {
            **terms,
            "state_reason": asked,
            "run_id": run_id,
            "terms_hash": terms_hash,
            "requested_at": now,
            "answer_by": answer_by,
        },
    )
    store.copy_rows(
        "risk_acceptance_finding",
        ["acceptance_id", "host_id", "advisory_id", "source_package", "priority"],
        [
            (acceptance_id, row["host_id"], row["advisory_id"], row["source_package"], row["priority"])
            for row in covered
        ],
    )
    known = ("cve_id", "kev_added", "known_ransomware", "exploitation", "epss")
    store.copy_rows(
        "risk_acceptance_cve",
        ["acceptance_id", *known],
        [(acceptance_id, *(row[name] for name in known)) for row in threats],
    )
    evidence.record(
        store,
        actor=terms["requested_by"],
        action="acceptance_requested",
        subject=f"acceptance:{acceptance_id}",
        grounds={"terms": dict(terms), "terms_hash": terms_hash, "findings": len(covered), "hosts": hosts},
        at=now,
    )


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(f"{field}: nothing was given.")
    if "\0" in value:
        raise BadInputError(f"{field}: it holds a NUL character, which no record can keep.")
    if len(value) > MOST_CHARACTERS:
        raise BadInputError(f"{field}: {len(value)} characters; at most {MOST_CHARACTERS}.")
    return value.strip()


def _names(value: Any, field: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list | tuple) or len(value) > MOST_NAMES:
        raise BadInputError(f"{field}: a list of at most {MOST_NAMES} names is expected.")
    return tuple(sorted({_text(name, field) for name in value}))


def _date(value: Any, field: str) -> date:
    try:
        return date.fromisoformat(_text(value, field))
    except ValueError as error:
        raise BadInputError(f"{field}: {value!r} is no date.", remedy="Write it as 2026-12-31.") from error
