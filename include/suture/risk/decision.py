"""One decision: how urgent is this advisory on assets of this kind, and why.

The rules:

1. Each CVE is decided by the organisation's table (SSVC Deployer by default) from exploitation, exposure,
   automatable and human impact. A KEV entry means: active. What no source answers is taken as policy says, and said so.
   EPSS is a probability and never evidence of exploitation.
2. The policy's raise rules may raise the table's answer, never lower it.
3. A CVE of which nothing is known (no score, no exploitation status, no KEV entry) is unscored: a state with a priority
   and a deadline of its own. So is an advisory that names no CVE.
4. The advisory is as urgent as the most urgent of its CVEs; its score is the highest overall score among them, or None;
   it has the shortest time that any of them is given.
5. Every input is kept with its source and date, and the whole is said in a sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from suture.model import Criticality, Exposure, Priority
from suture.risk.cvss_scoring import BadVectorError, Requirements, assess, without_environment
from suture.risk.facts import ChosenScore, CveFacts, choose_score
from suture.risk.policies import RaiseRule, RiskPolicy

_LISTED_CVES = 12  # the most urgent ones are kept in full; the others by name
_WORDS = {
    Priority.IMMEDIATE: "Immediate",
    Priority.OUT_OF_CYCLE: "Out of cycle",
    Priority.SCHEDULED: "Scheduled",
    Priority.DEFER: "Deferred",
}


@dataclass(frozen=True)
class AssetProfile:
    """What of an asset bears on a decision: hosts with the same profile share it."""

    asset_group: str
    criticality: Criticality
    exposure: Exposure
    requirements: Requirements


@dataclass(frozen=True)
class Input:
    """One thing that a decision rests on. as_of: ISO 8601, None where the source gives no date."""

    name: str
    value: str
    source: str
    as_of: str | None

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "source": self.source, "as_of": self.as_of}


@dataclass(frozen=True)
class CveDecision:
    cve_id: str
    priority: Priority
    scored: bool
    score: float | None
    inputs: tuple[Input, ...]
    why: str
    due_by: date | None


@dataclass(frozen=True)
class Decision:
    """priority, score (None: unscored), how long there is, a catalogue's due date if any, and the reasons as JSON."""

    priority: Priority
    score: float | None
    scored: bool
    within: timedelta
    due_by: datetime | None
    sentence: str
    cves: tuple[CveDecision, ...]

    def reasons(self) -> dict[str, Any]:
        """What goes into finding.reasons: state, sentence, inputs of the deciding CVE, the CVEs most urgent first."""
        return {
            "state": "scored" if self.scored else "unscored",
            "sentence": self.sentence,
            "inputs": [found.as_json() for found in self.cves[0].inputs] if self.cves else [],
            "cves": [
                {
                    "cve_id": cve.cve_id,
                    "priority": cve.priority.value,
                    "score": cve.score,
                    "why": cve.why,
                    "inputs": [found.as_json() for found in cve.inputs],
                }
                for cve in self.cves[:_LISTED_CVES]
            ],
            "other_cves": [cve.cve_id for cve in self.cves[_LISTED_CVES:]],
        }


def decide(cves: Sequence[CveFacts], asset: AssetProfile, policy: RiskPolicy) -> Decision:
    """Decide one advisory (by the CVEs it names) for assets of one profile."""
    decided = sorted(
        (decide_cve(facts, asset, policy) for facts in cves),
        key=lambda cve: (cve.priority.rank, not cve.scored, -(cve.score or 0.0), cve.cve_id),
    )
    scored = any(cve.scored for cve in decided)
    if not decided:
        sentence = f"{_WORDS[policy.unscored_priority]}: the advisory names no CVE, so nobody scored it."
        return Decision(policy.unscored_priority, None, False, policy.unscored_deadline, None, sentence, ())
    worst = decided[0]
    scores = [cve.score for cve in decided if cve.score is not None]
    due = min((cve.due_by for cve in decided if cve.due_by), default=None)
    within = min(policy.deadlines[cve.priority] if cve.scored else policy.unscored_deadline for cve in decided)
    more = len(decided) - 1
    others = f" It names {more} more {'CVE, not' if more == 1 else 'CVEs, none'} more urgent." if more else ""
    return Decision(
        priority=worst.priority,
        score=max(scores, default=None),
        scored=scored,
        within=within,
        due_by=datetime.combine(due, time(23, 59, 59), UTC) if due else None,
        sentence=f"{_WORDS[worst.priority]}: {worst.cve_id} {worst.why}.{others}",
        cves=tuple(decided),
    )


def decide_cve(facts: CveFacts, asset: AssetProfile, policy: RiskPolicy) -> CveDecision:
    """Decide one CVE for assets of one profile."""
    asset_inputs = (
        Input("exposure", asset.exposure.value, f"asset group {asset.asset_group}", None),
        Input("criticality", asset.criticality.value, f"asset group {asset.asset_group}", None),
    )
    if not facts.is_scored:
        return _unscored(facts, asset_inputs, policy)
    chosen = choose_score(facts.scores)
    score, score_inputs = _score(chosen, asset)
    exploitation, exploitation_input = _exploitation(facts, policy)
    automatable, automatable_input = _automatable(facts, policy)
    impact = policy.human_impact[asset.criticality]
    by_table = policy.table[exploitation, asset.exposure.value, automatable, impact]
    raised = [rule for rule in policy.raise_rules if rule.priority.rank < by_table.rank and _holds(rule, facts, score)]
    rule = min(raised, key=lambda found: found.priority.rank, default=None)
    why = (
        f"has exploitation {_said(exploitation, facts.exploitation or facts.kev_added)}, "
        f"exposure {asset.exposure.value}, automatable {_said(automatable, facts.automatable)}, "
        f"human impact {impact.replace('_', ' ')}: {by_table.value.replace('_', ' ')} by {policy.table_name}"
    )
    if rule is not None:
        why += f", raised to {rule.priority.value.replace('_', ' ')} since {rule.because}"
    if facts.kev_added:
        why += f"; in CISA's catalogue of exploited vulnerabilities since {facts.kev_added.isoformat()}"
    why += f"; CVSS on this asset {score:.1f}" if score is not None else "; no source gives it a CVSS score"
    return CveDecision(
        cve_id=facts.cve_id,
        priority=rule.priority if rule else by_table,
        scored=True,
        score=score,
        inputs=(exploitation_input, automatable_input, *asset_inputs, *score_inputs, *_other_inputs(facts)),
        why=why,
        due_by=facts.kev_due,
    )


def _unscored(facts: CveFacts, asset_inputs: tuple[Input, ...], policy: RiskPolicy) -> CveDecision:
    record = {
        "absent": "has no CVE record yet",
        "quarantined": "has a CVE record that was quarantined",
        "found": "has a CVE record without any score",
        None: "was not looked up yet",
    }[facts.record_status]
    return CveDecision(
        cve_id=facts.cve_id,
        priority=policy.unscored_priority,
        scored=False,
        score=None,
        inputs=(*asset_inputs, *_other_inputs(facts)),
        why=f"{record}: unscored, so policy's rule for the unscored holds",
        due_by=None,
    )


def _score(chosen: ChosenScore | None, asset: AssetProfile) -> tuple[float | None, tuple[Input, ...]]:
    if chosen is None:
        return None, ()
    claim = chosen.claim
    as_of = claim.dated_at.isoformat() if claim.dated_at else None
    notes = tuple(Input("contradiction", text, claim.source, as_of) for text in chosen.contradictions)
    if not claim.vector:
        bare = Input("cvss", f"{claim.base_score} ({claim.cvss_version}, without a vector)", claim.source, as_of)
        return claim.base_score, (bare, *notes)
    try:
        found = assess(without_environment(claim.vector), asset.requirements)
    except BadVectorError:
        return None, notes
    needs = ", ".join(f"{name} {level}" for name, level in sorted(asset.requirements.items())) or "none"
    return found.overall_score, (
        Input("cvss", f"{found.base_score:.1f} base, {claim.vector}", claim.source, as_of),
        Input("cvss on this asset", f"{found.overall_score:.1f} {found.severity} with {needs}", "computed", None),
        *notes,
    )


def _exploitation(facts: CveFacts, policy: RiskPolicy) -> tuple[str, Input]:
    if facts.kev_added is not None:
        return "active", Input("exploitation", "active", "kev", facts.kev_added.isoformat())
    if facts.exploitation is not None:
        return facts.exploitation, Input(
            "exploitation", facts.exploitation, facts.ssvc_source or "", _iso(facts.ssvc_dated_at)
        )
    assumed = policy.unknown_exploitation
    return assumed, Input("exploitation", f"unknown, taken as {assumed}", "policy sla.yaml", None)


def _automatable(facts: CveFacts, policy: RiskPolicy) -> tuple[str, Input]:
    if facts.automatable is not None:
        return facts.automatable, Input(
            "automatable", facts.automatable, facts.ssvc_source or "", _iso(facts.ssvc_dated_at)
        )
    assumed = policy.unknown_automatable
    return assumed, Input("automatable", f"unknown, taken as {assumed}", "policy sla.yaml", None)


def _other_inputs(facts: CveFacts) -> tuple[Input, ...]:
    found = []
    if facts.kev_added is not None:
        found.append(Input("kev", f"added {facts.kev_added.isoformat()}", "kev", facts.kev_added.isoformat()))
    if facts.known_ransomware:
        found.append(Input("ransomware", "known use in campaigns", "kev", _iso(facts.kev_added)))
    if facts.epss is not None:
        found.append(Input("epss", f"{facts.epss:.5f} within 30 days", "epss", _iso(facts.epss_date)))
    if facts.technical_impact is not None:
        found.append(
            Input("technical impact", facts.technical_impact, facts.ssvc_source or "", _iso(facts.ssvc_dated_at))
        )
    found.append(Input("cve record", facts.record_status or "not looked up", "cve5", _iso(facts.record_as_of)))
    return tuple(found)


def _holds(rule: RaiseRule, facts: CveFacts, score: float | None) -> bool:
    conditions = [
        (rule.in_kev, facts.kev_added is not None),
        (rule.known_ransomware, bool(facts.known_ransomware)),
        (rule.cvss_at_least, score is not None and score >= (rule.cvss_at_least or 0.0)),
        (rule.epss_at_least, facts.epss is not None and facts.epss >= (rule.epss_at_least or 0.0)),
    ]
    return all(holds for asked, holds in conditions if asked is not None)


def _said(value: str, known: object) -> str:
    return value if known else f"{value} (not known, assumed)"


def _iso(moment: datetime | date | None) -> str | None:
    return moment.isoformat() if moment else None
