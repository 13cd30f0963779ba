"""Scoring the warehouse: decide each (advisory, kind of asset) once, fan the decisions out to the findings.

A decision is made anew only when something that goes into it changed: the facts of the advisory's CVEs, the asset's
profile, the policy, or this room's code (their digest stands beside the decision). Which ones may have changed is marked
where facts are written (docs/adr/0049); once a day, and when the rules are others, all of them are looked at.

While a feed that policy requires is stale, a priority may be raised but not lowered (`may_lower=False`): data too
old to trust must not be what lets a finding wait longer.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from suture import evidence
from suture.errors import BadInputError
from suture.model import Criticality, Exposure, Priority
from suture.model.assets import AssetRegister
from suture.risk.cvss_scoring import REQUIREMENTS, Requirements
from suture.risk.decision import AssetProfile, Decision, decide
from suture.risk.facts import CveFacts, ScoreClaim
from suture.risk.policies import RiskPolicy
from suture.store import Store
from suture.store.decisions import Settled, findings_on, settle

_Group = tuple[str, str, str, str]  # advisory id, asset group, criticality, exposure
_KEY = ("advisory_id", "asset_group", "criticality", "exposure")
_FULL_LOOK = timedelta(days=1)  # at all decisions, also where nothing is marked


@dataclass(frozen=True)
class ScoreCounts:
    """decisions: groups looked at; changed: findings whose priority, score, deadline or reasons changed;
    open_by_priority: what is open (or accepted) now on hosts that are not retired; without_score: how much of it no
    source gives a CVSS score (fewer are in the decision's state `unscored`, of which nothing is known at all)."""

    decisions: int
    changed: int
    without_score: int
    open_by_priority: Mapping[str, int]

    @property
    def sentence(self) -> str:
        parts = [f"{count} {word.replace('_', ' ')}" for word, count in self.open_by_priority.items() if count]
        found = ", ".join(parts) or "none"
        return f"Open findings: {found}; {self.without_score} of them without a score. {self.changed} changed in this run."


def score_all(
    store: Store,
    policy: RiskPolicy,
    register: AssetRegister,
    *,
    now: datetime,
    may_lower: bool = True,
    whole: bool = False,
    actor: str = "suture:risk_scoring",
) -> ScoreCounts:
    """Give every open finding its priority, score, deadline and reasons by what the warehouse knows now.

    Looked at are the findings whose decision or kind of host changed, that are new, or that came back: the others are
    right already. whole: look at all of them, which finds nothing more (tests hold this to it).
    """
    with store.transaction():
        store.execute("matching/lock_matching")  # what a matching decides by facts of before is there when its mark is taken
        marked = store.fetch_one("finding/take_changes")
        assert marked is not None
        decider = Decider(store, policy, register, now=now)
        wanted = _changed_facts(store, marked, decider.rules, whole=whole, now=now)
        host_ids, unscored = marked["host_ids"], marked["unscored"]
        if whole:
            groups = store.fetch_all("finding/list_scoring_groups")
        elif unscored or host_ids or any(wanted.values()):
            groups = store.fetch_all("finding/list_changed_groups", {**wanted, "host_ids": host_ids})
        else:
            groups = []
        settled = decider(groups)
        superseded = store.fetch_all("finding/take_score_changes") if settled.given else []
        advisory_ids = sorted({*marked["advisory_ids"], *(row["advisory_id"] for row in superseded)})
        marks = {"advisory_ids": advisory_ids, "host_ids": host_ids}
        # Counted before the findings move: those that move are counted as they do.
        restated = findings_on(store, settled.restated)
        moved = 0
        if whole or unscored or any(marks.values()):
            asked = {"now": now, "may_lower": may_lower, "whole": whole, **marks}
            moved = _scored(store, asked, settled.restated)
        if not may_lower and any(marks.values()):
            store.execute("finding/insert_score_changes", marks)
        changed = restated + moved
        if whole or advisory_ids:
            store.execute("decision/delete_unused_decisions", {"advisory_ids": None if whole else advisory_ids})
        counts = _summed(store, now, decisions=len(groups), changed=changed)
        if changed:
            evidence.record(
                store,
                actor=actor,
                action="findings_scored",
                subject="findings:all",
                grounds={
                    "changed": counts.changed,
                    "without_score": counts.without_score,
                    "open_by_priority": dict(counts.open_by_priority),
                    "table": policy.table_name,
                    "policies": dict(policy.digests),
                    "may_lower": may_lower,
                },
                at=now,
            )
    return counts


def _changed_facts(
    store: Store, marked: Mapping[str, Any], rules: str, *, whole: bool, now: datetime
) -> dict[str, Any]:  # fmt: skip
    """Of which CVEs and advisories facts changed (`everything`: all decisions have to be looked at), by the marks taken."""
    everything = (
        whole
        or marked["of_all"]
        or marked["rules_digest"] != rules
        or not timedelta() <= now - marked["scored_at"] < _FULL_LOOK
    )
    if everything:
        store.execute("finding/upsert_full_scoring", {"rules_digest": rules, "now": now})
    return {
        "everything": everything,
        "cve_ids": marked["fact_cve_ids"],
        "advisory_ids": marked["fact_advisory_ids"],
    }


def _scored(store: Store, asked: Mapping[str, Any], restated: Sequence[int]) -> int:
    """Bring the findings asked for to the current decisions; how many say something new, without those of which a decision
    that was restated says it."""
    store.execute("finding/open_work")
    if not store.execute("finding/fill_judged", asked):
        return 0
    store.fetch_one("finding/single_out_judged")
    moved = store.fetch_one("finding/score_findings", {"now": asked["now"], "restated": list(restated)})
    return int(moved["changed"]) if moved else 0


def _summed(store: Store, now: datetime, *, decisions: int, changed: int) -> ScoreCounts:
    store.execute("risk/fold_risk_summary", {"now": now})
    found: dict[str, int] = defaultdict(int)
    without_score = 0
    for row in store.fetch_all("risk/list_risk_summary", {"now": now}):
        found[row["priority"]] += (row["open"] or 0) + (row["accepted"] or 0)
        without_score += (row["without_score"] or 0) + (row["accepted_without_score"] or 0)
    return ScoreCounts(
        decisions=decisions,
        changed=changed,
        without_score=without_score,
        open_by_priority={one.value: found[one.value] for one in Priority if found[one.value]},
    )


def profile_of(row: Mapping[str, Any], register: AssetRegister) -> AssetProfile:
    """The asset profile of a host's row; requirements from the register where it states them, else by criticality."""
    criticality = Criticality(row["criticality"])
    return AssetProfile(
        asset_group=row["asset_group"],
        criticality=criticality,
        exposure=Exposure(row["exposure"]),
        requirements=_requirements(row["asset_group"], criticality, register),
    )


class Decider:
    """Decides groups (advisory, kind of asset) and stores the decisions; what it decided once it leaves alone.

    Also what `match_all(decide=…)` takes, so that new findings are written with their decision.
    """

    def __init__(self, store: Store, policy: RiskPolicy, register: AssetRegister, *, now: datetime) -> None:
        self._store, self._policy, self._register, self._now = store, policy, register, now
        self._done: set[_Group] = set()
        self._rules = hashlib.blake2b(f"{_code_digest()} {policy!r}".encode()).digest()

    @property
    def rules(self) -> str:
        """Digest of all that goes into decisions and is in no table: policy, code, what the register says of groups."""
        stated = repr([(group.name, sorted(group.cvss_requirements.items())) for group in self._register.groups])
        return hashlib.blake2b(self._rules + stated.encode(), digest_size=16).hexdigest()

    def __call__(self, groups: Sequence[Mapping[str, Any]]) -> Settled:
        """Decide those of the groups (rows with advisory_id, asset_group, criticality, exposure) that need it."""
        open_groups = [row for row in groups if _key(row) not in self._done]
        if not open_groups:
            return Settled()
        self._done.update(map(_key, open_groups))
        # Read before the decisions are streamed: the connection cannot read while it takes in a COPY.
        wanted = {"advisory_ids": sorted({row["advisory_id"] for row in open_groups})}
        standing = {
            _key(row): row["grounds_digest"] for row in self._store.fetch_all("decision/list_current_digests", wanted)
        }
        rows = {row["cve_id"]: row for row in self._store.fetch_all("cve/list_cve_facts", wanted)}
        named = {
            row["advisory_id"]: row["cve_ids"] for row in self._store.fetch_all("advisory/list_advisory_cves", wanted)
        }
        first = not any(_key(row) in standing for row in open_groups)
        return settle(self._store, self._decided(open_groups, rows, named, standing), now=self._now, first=first)

    def _decided(
        self,
        groups: Sequence[Mapping[str, Any]],
        rows: Mapping[str, Mapping[str, Any]],
        named: Mapping[str, Sequence[str]],
        standing: Mapping[_Group, str],
    ) -> Iterator[dict[str, Any]]:
        """standing: digests of the grounds of the current decisions; who would get the same again is passed over."""
        grounds = {cve_id: hashlib.blake2b(repr(row).encode()).digest() for cve_id, row in rows.items()}
        profiles: dict[_Group, tuple[AssetProfile, bytes]] = {}
        facts: dict[str, CveFacts] = {}
        for row in groups:
            kind = ("", row["asset_group"], row["criticality"], row["exposure"])
            if kind not in profiles:
                profile = profile_of(row, self._register)
                profiles[kind] = profile, self._rules + repr(profile).encode()
            profile, rules = profiles[kind]
            cve_ids = named.get(row["advisory_id"], ())
            digest = hashlib.blake2b(rules + repr(row.get("released_at")).encode(), digest_size=16)
            for cve_id in cve_ids:
                digest.update(cve_id.encode() + grounds.get(cve_id, b""))
            if standing.get(_key(row)) == digest.hexdigest():
                continue
            for cve_id in cve_ids:
                if cve_id not in facts:
                    facts[cve_id] = facts_from_row(rows[cve_id]) if cve_id in rows else CveFacts(cve_id)
            decision = decide(
                [facts[cve_id] for cve_id in cve_ids], profile, self._policy, released_at=row.get("released_at")
            )
            yield {**_decision_row(row, decision), "grounds_digest": digest.hexdigest()}


@cache
def _code_digest() -> str:
    """Of this room's source: decisions of an older version of it are made anew."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.blake2b(b"".join(path.read_bytes() for path in files)).hexdigest()


def _key(row: Mapping[str, Any]) -> _Group:
    return row["advisory_id"], row["asset_group"], row["criticality"], row["exposure"]


def facts_from_row(row: Mapping[str, Any]) -> CveFacts:
    return CveFacts(
        cve_id=row["cve_id"],
        scores=tuple(score_claims(row["claims"] or ())),
        exploitation=row["exploitation"],
        automatable=row["automatable"],
        technical_impact=row["technical_impact"],
        ssvc_source=row["ssvc_source"],
        ssvc_dated_at=row["ssvc_dated_at"],
        kev_added=row["kev_added"],
        kev_due=row["kev_due"],
        known_ransomware=row["known_ransomware"],
        epss=row["epss"],
        epss_date=row["epss_date"],
        record_status=row["record_status"],
        record_as_of=row["record_as_of"],
        state=row["state"],
        kev_as_of=row.get("kev_as_of"),
    )


def score_claims(found: Iterable[Mapping[str, Any]]) -> Iterable[ScoreClaim]:
    for claim in found:
        yield ScoreClaim(
            source=claim["source"],
            cvss_version=claim["cvss_version"],
            vector=claim["vector"],
            base_score=None if claim["base_score"] is None else float(claim["base_score"]),
            severity=claim["severity"],
            dated_at=datetime.fromisoformat(claim["dated_at"]) if claim["dated_at"] else None,
        )


def _requirements(asset_group: str, criticality: Criticality, register: AssetRegister) -> Requirements:
    try:
        stated = register.group(asset_group).cvss_requirements
    except BadInputError:  # a host of a group that the register no longer names: its own criticality still holds
        stated = {}
    return {**REQUIREMENTS[criticality], **stated}


def _decision_row(row: Mapping[str, Any], decision: Decision) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _KEY},
        "priority": decision.priority.value,
        "priority_rank": decision.priority.rank,
        "score": decision.score,
        "within_hours": decision.within.total_seconds() / 3600,
        "due_dates": list(decision.due_dates),
        "reasons": decision.reasons(),
    }


def most_urgent(priorities: Iterable[Priority]) -> Priority:
    """The most urgent of some priorities. Raises ValueError when there is none."""
    return min(priorities, key=lambda priority: priority.rank)
