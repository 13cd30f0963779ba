"""One decision: how urgent is this advisory on assets of this kind, until when, and why.

The rules:

1. Each CVE is decided by the table that sla.yaml selects for the asset group (`tables`), from the facts that the table's
   points name (`readings`). Tables to compare with are asked the same; their answers are kept and decide nothing.
2. The policy's raise rules may raise the table's answer, never lower it: neither its priority nor its time nor its tasks.
3. A CVE of which nothing is known (no usable score, no exploitation status, no KEV entry) is unscored: a state with a
   priority and a deadline of its own. So is an advisory that names no CVE.
4. The advisory is as urgent as the most urgent of its CVEs; its score is the highest overall score among them, or None; it
   has every clock that any of them has, of which the earliest holds, and every task that the table asks for any of them.
5. Every input is kept with its source and date, every policy with the digest of what it said, and the whole is said in a
   sentence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any

from suture.model import Priority
from suture.risk.clocks import ClockTime, distinct, earliest
from suture.risk.facts import CveFacts
from suture.risk.inputs import Input
from suture.risk.policies import RaiseRule, RiskPolicy
from suture.risk.readings import AssetProfile, Readings, asset_inputs, read
from suture.risk.tables import DecisionTable, Outcome

__all__ = ["AssetProfile", "CveDecision", "Decision", "Input", "TableAnswer", "decide", "decide_cve"]

_LISTED_CVES = 12  # the most urgent ones are kept in full; the others by name
_UNSCORED = "unscored"
_WORDS = {
    Priority.IMMEDIATE: "Immediate",
    Priority.OUT_OF_CYCLE: "Out of cycle",
    Priority.SCHEDULED: "Scheduled",
    Priority.DEFER: "Deferred",
}


@dataclass(frozen=True)
class TableAnswer:
    """What one table says. outcome: its own word, "unscored" where nothing is known; selected: whether it decides."""

    table: str
    outcome: str
    priority: Priority
    within: timedelta
    required_tasks: tuple[str, ...]
    selected: bool

    def as_json(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "outcome": self.outcome,
            "priority": self.priority.value,
            "within_hours": self.within.total_seconds() / 3600,
            "required_tasks": list(self.required_tasks),
            "selected": self.selected,
        }


@dataclass(frozen=True)
class CveDecision:
    """answers: of the selected table first, then of those to compare with. due_by: a catalogue's due date, or None."""

    cve_id: str
    priority: Priority
    scored: bool
    score: float | None
    inputs: tuple[Input, ...]
    why: str
    due_by: date | None
    answers: tuple[TableAnswer, ...]
    clocks: tuple[ClockTime, ...]

    @property
    def required_tasks(self) -> tuple[str, ...]:
        return self.answers[0].required_tasks


@dataclass(frozen=True)
class Decision:
    """priority, score (None: unscored), the shortest span, the fixed moments (sorted), and the reasons as JSON.

    A finding seen at t is due at the earlier of t + within and the first of due_dates after t; `clocks` names what gave each.
    """

    priority: Priority
    score: float | None
    scored: bool
    within: timedelta
    due_dates: tuple[datetime, ...]
    sentence: str
    cves: tuple[CveDecision, ...]
    answers: tuple[TableAnswer, ...]
    clocks: tuple[ClockTime, ...]
    required_tasks: tuple[str, ...]
    policies: tuple[tuple[str, str], ...]

    @property
    def due_by(self) -> datetime | None:
        """The earliest fixed moment, or None."""
        return self.due_dates[0] if self.due_dates else None

    def reasons(self) -> dict[str, Any]:
        """What goes into finding.reasons: state, sentence, inputs of the deciding CVE, the CVEs most urgent first."""
        return {
            "state": "scored" if self.scored else _UNSCORED,
            "sentence": self.sentence,
            "tables": [answer.as_json() for answer in self.answers],
            "required_tasks": list(self.required_tasks),
            "clocks": [clock.as_json() for clock in self.clocks],
            "inputs": [found.as_json() for found in self.cves[0].inputs] if self.cves else [],
            "cves": [
                {
                    "cve_id": cve.cve_id,
                    "priority": cve.priority.value,
                    "score": cve.score,
                    "why": cve.why,
                    "tables": {answer.table: answer.outcome for answer in cve.answers},
                    "inputs": [found.as_json() for found in cve.inputs],
                }
                for cve in self.cves[:_LISTED_CVES]
            ],
            "other_cves": [cve.cve_id for cve in self.cves[_LISTED_CVES:]],
            "policies": dict(self.policies),
        }

    def deadline(self, seen_at: datetime) -> tuple[datetime, ClockTime]:
        """When a finding seen then is due, and the clock that says so."""
        clock = earliest(self.clocks, seen_at)
        return clock.deadline(seen_at), clock


def decide(
    cves: Sequence[CveFacts], asset: AssetProfile, policy: RiskPolicy, *, released_at: datetime | None = None
) -> Decision:
    """Decide one advisory (by the CVEs it names, released then; None: not dated) for assets of one profile."""
    decided = sorted(
        (decide_cve(facts, asset, policy, released_at=released_at) for facts in cves),
        key=lambda cve: (cve.priority.rank, not cve.scored, -(cve.score or 0.0), cve.cve_id),
    )
    if decided:
        worst = decided[0]
        more = len(decided) - 1
        others = f" It names {more} more {'CVE, not' if more == 1 else 'CVEs, none'} more urgent." if more else ""
        priority, sentence = worst.priority, f"{worst.cve_id} {worst.why}.{others}"
        clocks = distinct(clock for cve in decided for clock in cve.clocks)
    else:
        priority, sentence = policy.unscored_priority, "the advisory names no CVE, so nobody scored it."
        clocks = distinct(_unscored_clocks(asset, policy, released_at))
    tasks = tuple(sorted({task for cve in decided for task in cve.required_tasks}))
    due_dates = tuple(sorted({clock.due_by for clock in clocks if clock.due_by is not None}))
    return Decision(
        priority=priority,
        score=max((cve.score for cve in decided if cve.score is not None), default=None),
        scored=any(cve.scored for cve in decided),
        within=min(clock.within for clock in clocks if clock.within is not None),  # each CVE has its priority's
        due_dates=due_dates,
        sentence=f"{_WORDS[priority]}: {sentence}{_said_tasks(tasks)}",
        cves=tuple(decided),
        answers=_most_urgent_answers(decided) or _unscored_answers(asset, policy),
        clocks=clocks,
        required_tasks=tasks,
        policies=tuple(sorted((file, f"sha256:{digest}") for file, digest in policy.digests.items())),
    )


def decide_cve(
    facts: CveFacts, asset: AssetProfile, policy: RiskPolicy, *, released_at: datetime | None = None
) -> CveDecision:
    """Decide one CVE for assets of one profile."""
    if not facts.is_scored:
        return _unscored(facts, asset, policy, released_at)
    found = read(facts, asset, policy)
    table = policy.table_for(asset.asset_group)
    outcome = table.decide(found.facts)
    by_table = _answer(table, outcome, policy, selected=True)
    rule = _raised(outcome.priority, facts, found.score, policy)
    clocks = [ClockTime(f"{table.name}: {_plain(outcome.name)}", by_table.within, None, _time_of(outcome))]
    if rule is not None:
        why = f"sla.yaml's time for {_plain(rule.priority)}, since {rule.because}"
        clocks.append(ClockTime(f"raised to {_plain(rule.priority)}", policy.deadlines[rule.priority], None, why))
    if facts.kev_due is not None:
        due = datetime.combine(facts.kev_due, time(23, 59, 59), UTC)
        clocks.append(ClockTime("CISA's catalogue (KEV)", None, due, f"{facts.cve_id}'s due date there"))
    clocks += _policy_clocks(asset, policy, found.score, released_at)
    return CveDecision(
        cve_id=facts.cve_id,
        priority=rule.priority if rule else outcome.priority,
        scored=True,
        score=found.score,
        inputs=found.inputs,
        why=_why(facts, found, table, outcome, rule),
        due_by=facts.kev_due,
        answers=(by_table, *_compared(table, found, policy)),
        clocks=tuple(clocks),
    )


def _unscored(facts: CveFacts, asset: AssetProfile, policy: RiskPolicy, released_at: datetime | None) -> CveDecision:
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
        inputs=(*asset_inputs(asset, policy), *facts.other_inputs),
        why=f"{record}: unscored, so policy's rule for the unscored holds",
        due_by=None,
        answers=_unscored_answers(asset, policy),
        clocks=_unscored_clocks(asset, policy, released_at),
    )


def _unscored_clocks(asset: AssetProfile, policy: RiskPolicy, released_at: datetime | None) -> tuple[ClockTime, ...]:
    own = ClockTime(_UNSCORED, policy.unscored_deadline, None, "sla.yaml's rule for the unscored")
    return (own, *_policy_clocks(asset, policy, None, released_at))


def _unscored_answers(asset: AssetProfile, policy: RiskPolicy) -> tuple[TableAnswer, ...]:
    """No table is asked about what nobody knows: each says so."""
    chosen = policy.table_for(asset.asset_group)
    tables = (chosen, *(table for table in policy.compared if table.key != chosen.key))
    return tuple(
        TableAnswer(table.name, _UNSCORED, policy.unscored_priority, policy.unscored_deadline, (), table is chosen)
        for table in tables
    )


def _policy_clocks(
    asset: AssetProfile, policy: RiskPolicy, score: float | None, released_at: datetime | None
) -> tuple[ClockTime, ...]:
    return tuple(rule.time(score, released_at) for rule in policy.clocks if rule.holds(asset.asset_group, score))


def _compared(chosen: DecisionTable, found: Readings, policy: RiskPolicy) -> tuple[TableAnswer, ...]:
    return tuple(
        _answer(table, table.decide(found.facts), policy, selected=False)
        for table in policy.compared
        if table.key != chosen.key
    )


def _answer(table: DecisionTable, outcome: Outcome, policy: RiskPolicy, *, selected: bool) -> TableAnswer:
    within = outcome.within or policy.deadlines[outcome.priority]
    return TableAnswer(table.name, outcome.name, outcome.priority, within, outcome.required_tasks, selected)


def _most_urgent_answers(decided: Sequence[CveDecision]) -> tuple[TableAnswer, ...]:
    """Of each table, its most urgent answer among the CVEs that it was asked about (among all, if none): selected first."""
    asked = [cve for cve in decided if cve.scored] or decided
    best: dict[str, TableAnswer] = {}
    for answer in (answer for cve in asked for answer in cve.answers):
        known = best.get(answer.table)
        if known is None or _urgency(answer) < _urgency(known):
            best[answer.table] = answer
    return tuple(best.values())


def _urgency(answer: TableAnswer) -> tuple[int, timedelta, int]:
    return answer.priority.rank, answer.within, -len(answer.required_tasks)


def _raised(by_table: Priority, facts: CveFacts, score: float | None, policy: RiskPolicy) -> RaiseRule | None:
    rules = [rule for rule in policy.raise_rules if rule.priority.rank < by_table.rank and _holds(rule, facts, score)]
    return min(rules, key=lambda found: found.priority.rank, default=None)


def _holds(rule: RaiseRule, facts: CveFacts, score: float | None) -> bool:
    """Whether all that the rule asks for holds; what it does not ask for (None) is not looked at."""
    if rule.in_kev is not None and not facts.kev_added:
        return False
    if rule.known_ransomware is not None and not facts.known_ransomware:
        return False
    if rule.cvss_at_least is not None and not (score is not None and score >= rule.cvss_at_least):
        return False
    return rule.epss_at_least is None or (facts.epss is not None and facts.epss >= rule.epss_at_least)


def _why(facts: CveFacts, found: Readings, table: DecisionTable, outcome: Outcome, rule: RaiseRule | None) -> str:
    points = ", ".join(
        f"{point.name} {_plain(value)}{' (not known, assumed)' if point.binding in found.assumed else ''}"
        for point, value in zip(table.points, table.row(found.facts), strict=True)
    )
    why = f"has {points}: {_plain(outcome.name)} by {table.name}"
    if rule is not None:
        why += f", raised to {_plain(rule.priority)} since {rule.because}"
    if facts.kev_added:
        why += f"; in CISA's catalogue of exploited vulnerabilities since {facts.kev_added.isoformat()}"
    return why + (
        f"; CVSS on this asset {found.score:.1f}" if found.score is not None else "; no source gives it a CVSS score"
    )


def _time_of(outcome: Outcome) -> str:
    return "the table's own time" if outcome.within else f"sla.yaml's time for {_plain(outcome.priority)}"


def _said_tasks(tasks: Sequence[str]) -> str:
    return f" It asks for {' and '.join(_plain(task) for task in tasks)}." if tasks else ""


@cache
def _plain(word: str) -> str:
    return word.replace("_", " ")
