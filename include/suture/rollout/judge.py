"""The judge: are the hosts just patched as good as those that are not?

The rules:

1. FAIL when, in any measure, the patched hosts (together or any one of them) are shown to be worse than the
   control hosts: the e-process reaches 1/false_alarm, shared out among the measures (see sequential.py: valid
   at every look).
2. FAIL when a patched host is down at the load balancer for `unhealthy_seconds`, or its mean latency stays
   beyond the guard's limits for `sustained_seconds`. These are guards with wide limits, not tests.
3. PASS only when nothing is missing: every measure's upper bound for the increase is below `max_increase`,
   `min_seconds` have passed, each patched host and the controls have had their requests and a fair part of
   the traffic, all patched hosts are up, the metrics are fresh, and the control hosts are themselves well.
4. Otherwise keep looking until the deadline; then INCONCLUSIVE, with what was missing. No traffic, no
   metrics, NaN, no control host, no Prometheus: inconclusive, never pass.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from suture.errors import BadInputError
from suture.model import Verdict
from suture.model.traffic import Observations, ObservedMeasure, RequestCounts, total
from suture.rollout.judge_rules import JudgeRules, LatencyRule, MeasureRule
from suture.rollout.sequential import ExcessEvidence, difference_bounds, mean_log
from suture.rollout.wording import percent, spoken

_NEXT_FAIL = "The rollout is halted: read the patched hosts' logs, then roll the campaign back."
_NEXT_INCONCLUSIVE = (
    "Nothing more is patched. Mend what is missing and take the rollout up again; or, where it can never be had, a named person"
    " judges by hand (manual_judgement); or roll the campaign back."
)


@dataclass(frozen=True)
class Trial:
    """Who is compared with whom, from when on, until when at the latest (aware UTC)."""

    canary: tuple[str, ...]
    control: tuple[str, ...]
    since: datetime
    deadline: datetime

    def __post_init__(self) -> None:
        if not self.canary:
            raise BadInputError("A judge needs at least one patched host to judge.")
        both = set(self.canary) & set(self.control)
        if both:
            raise BadInputError(f"{', '.join(sorted(both))}: a host cannot be both patched and control.")

    def as_json(self) -> dict[str, Any]:
        return {
            "canary": list(self.canary),
            "control": list(self.control),
            "since": self.since.isoformat(),
            "deadline": self.deadline.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        return cls(
            canary=tuple(data["canary"]),
            control=tuple(data["control"]),
            since=datetime.fromisoformat(data["since"]),
            deadline=datetime.fromisoformat(data["deadline"]),
        )


@dataclass(frozen=True)
class Judgement:
    """What a look concluded. verdict is None while the judge must keep looking; reason then says what it
    waits for.
    """

    verdict: Verdict | None
    reason: str
    next_step: str
    measures: Mapping[str, Any]
    judged_at: datetime

    def as_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict.value if self.verdict else None,
            "reason": self.reason,
            "next_step": self.next_step,
            "measures": dict(self.measures),
            "judged_at": self.judged_at.isoformat(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Judgement:
        """Raises KeyError, TypeError or ValueError for what is not a judgement."""
        return cls(
            verdict=Verdict(data["verdict"]) if data["verdict"] is not None else None,
            reason=data["reason"],
            next_step=data["next_step"],
            measures=dict(data["measures"]),
            judged_at=datetime.fromisoformat(data["judged_at"]),
        )


@dataclass
class _Bench:
    """What one look gathers: reasons to fail, things missing for a pass, figures for the record."""

    failures: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def judge(trial: Trial, seen: Observations, rules: JudgeRules, at: datetime) -> Judgement:
    """One look. Pure: the same observations give the same judgement."""
    bench = _Bench(missing=list(seen.problems))
    for rule in rules.measures:
        _weigh(trial, rule, seen.measures.get(rule.name, ObservedMeasure()), rules, at, bench)
    if rules.healthy is not None:
        _check_health(trial, seen, rules, at, bench)
    if rules.latency is not None:
        _check_latency(trial, seen, rules.latency, rules.stale_seconds, at, bench)
    waited = at - trial.since
    if waited < timedelta(seconds=rules.min_seconds):
        bench.missing.append(f"only {spoken(waited)} of at least {rules.min_seconds} s were watched")
    figures = {
        "canary": list(trial.canary),
        "control": list(trial.control),
        "since": trial.since.isoformat(),
        "until": at.isoformat(),
        **bench.figures,
        "missing": bench.missing,
    }
    return _conclude(trial, bench, figures, at)


def _conclude(trial: Trial, bench: _Bench, figures: Mapping[str, Any], at: datetime) -> Judgement:
    who = _names(trial.canary)
    if bench.failures:
        return Judgement(Verdict.FAIL, " ".join(bench.failures), _NEXT_FAIL, figures, at)
    if not bench.missing:
        shares = "; ".join(_summary(name, figure) for name, figure in figures["compared"].items())
        reason = f"{who}: no worse than {_names(trial.control)}: {shares}."
        return Judgement(Verdict.PASS, reason, "The next ring may follow.", figures, at)
    missing = "; ".join(bench.missing)
    if not trial.control or at >= trial.deadline:
        reason = f"Nothing could be shown about {who} within {spoken(at - trial.since)}: {missing}."
        return Judgement(Verdict.INCONCLUSIVE, reason, _NEXT_INCONCLUSIVE, figures, at)
    return Judgement(None, f"Still looking at {who}: {missing}.", "", figures, at)


def _weigh(
    trial: Trial, rule: MeasureRule, observed: ObservedMeasure, rules: JudgeRules, at: datetime, bench: _Bench
) -> None:
    canary, control = observed.by_host(trial.canary), observed.by_host(trial.control)
    patched, unpatched = total(canary.values()), total(control.values())
    log_evidence = _log_evidence(trial, observed)
    log_limit = math.log(len(rules.measures) / rules.false_alarm)
    low, high = difference_bounds(patched, unpatched, rules.false_pass)
    figure = {
        "requests": _counted(patched),
        "control_requests": _counted(unpatched),
        "by_host": {host: _counted(counts) for host, counts in {**canary, **control}.items()},
        "increase_at_least": round(low, 6),
        "increase_at_most": round(high, 6),
        "evidence_one_to": _one_to(log_evidence),
        "limit_one_to": _one_to(log_limit),
        "looks": len(observed.steps),
        "notes": list(observed.problems),
    }
    bench.figures.setdefault("compared", {})[rule.name] = figure
    if log_evidence >= log_limit:
        worst = max(canary, key=lambda host: canary[host].share or 0.0)
        bench.failures.append(
            f"{rule.name}: {worst} had {_of(canary[worst])}, the control hosts {_names(trial.control)}"
            f" {_of(unpatched)}; odds against chance 1:{_one_to(log_evidence):.0f} (limit 1:{_one_to(log_limit):.0f})."
        )
    bench.missing.extend(
        f"{rule.name}: {what}" for what in _lacking(trial, rule, observed, rules, at, canary, control, high)
    )


def _lacking(
    trial: Trial,
    rule: MeasureRule,
    observed: ObservedMeasure,
    rules: JudgeRules,
    at: datetime,
    canary: Mapping[str, RequestCounts],
    control: Mapping[str, RequestCounts],
    high: float,
) -> Iterator[str]:
    """What is still missing for a pass in this measure."""
    if not trial.control:
        yield "there is no control host to compare with"
    unseen = [host for host in (*trial.canary, *trial.control) if host not in observed.hosts()]
    if unseen:
        yield f"no usable metrics of {_names(unseen)}"
        if len(unseen) == len(trial.canary) + len(trial.control):
            return  # nothing at all was seen: to list what follows from it would only hide it
    last_at = observed.last_at
    if last_at is not None and (at - last_at).total_seconds() > rules.stale_seconds:
        yield f"the metrics end {spoken(at - last_at)} ago"
    for host, counts in canary.items():
        if counts.requests < rules.min_requests_per_host:
            yield f"{host} answered {counts.requests} of at least {rules.min_requests_per_host} requests"
    unpatched = total(control.values())
    if unpatched.requests < rules.min_control_requests:
        yield f"the control answered {unpatched.requests} of at least {rules.min_control_requests} requests"
    if control and unpatched.requests:
        fair = rules.min_traffic_share * unpatched.requests / len(control)
        starved = [host for host, counts in canary.items() if counts.requests < fair]
        if starved:
            yield f"{_names(starved)} got less than {percent(rules.min_traffic_share)} of a control host's traffic"
    if (unpatched.share or 0.0) > rules.max_bad_share:
        yield f"the control hosts themselves are ill: {_of(unpatched)}"
    if high >= rule.max_increase:
        yield f"the share may have risen by {percent(high)}, allowed is less than {percent(rule.max_increase)}"


def _log_evidence(trial: Trial, observed: ObservedMeasure) -> float:
    """Half the weight on the patched hosts together, half on each alone: one bad host of three is found as
    well.
    """
    together = ExcessEvidence()
    alone = [ExcessEvidence() for _ in trial.canary]
    for step in observed.steps:
        control = step.total(trial.control)
        together.add(step.total(trial.canary), control)
        for host, evidence in zip(trial.canary, alone, strict=True):
            evidence.add(step.total([host]), control)
    return mean_log([together.log_value, mean_log([evidence.log_value for evidence in alone])])


def _check_health(trial: Trial, seen: Observations, rules: JudgeRules, at: datetime, bench: _Bench) -> None:
    for host in trial.canary:
        track = seen.health.get(host, ())
        if not track or (at - track[-1][0]).total_seconds() > rules.stale_seconds:
            bench.missing.append(f"it is not known whether {host} is up")
        elif not track[-1][1]:
            down_for = track[-1][0] - _since_when(track)
            if down_for.total_seconds() >= rules.unhealthy_seconds:
                bench.failures.append(f"{host} has been down for {spoken(down_for)}.")
            bench.missing.append(f"{host} is down")


def _since_when(track: Sequence[tuple[datetime, bool]]) -> datetime:
    """Since when the last state has held without a break."""
    since = track[-1][0]
    for moment, up in reversed(track):
        if up != track[-1][1]:
            break
        since = moment
    return since


def _check_latency(
    trial: Trial, seen: Observations, rule: LatencyRule, stale_seconds: int, at: datetime, bench: _Bench
) -> None:
    fresh_from = at - timedelta(seconds=stale_seconds)
    newest = {
        host: track if track and track[-1][0] >= fresh_from else []
        for host, track in ((host, list(seen.latency.get(host, ()))) for host in (*trial.canary, *trial.control))
    }
    usual = [newest[host][-1][1] for host in trial.control if newest[host]]
    unknown = [host for host in trial.canary if not newest[host]]
    if unknown or not usual:
        bench.missing.append(f"no latency of {_names(unknown) if unknown else 'any control host'}")
        return
    typical = median(usual)
    limit = max(typical * rule.max_ratio, typical + rule.max_extra_seconds)
    bench.figures["latency"] = {"control_median_seconds": typical, "limit_seconds": limit} | {
        "mean_seconds": {host: newest[host][-1][1] for host in trial.canary}
    }
    for host in trial.canary:
        mean = newest[host][-1][1]
        if mean <= limit:
            continue
        slow_since = _since_when([(moment, value > limit) for moment, value in newest[host]])
        if (newest[host][-1][0] - slow_since).total_seconds() >= rule.sustained_seconds:
            bench.failures.append(f"{host} needs {mean:.3f} s a request, the control hosts {typical:.3f} s.")
        bench.missing.append(f"{host} is slow: {mean:.3f} s a request, limit {limit:.3f} s")


def _summary(name: str, figure: Mapping[str, Any]) -> str:
    patched, control = figure["requests"], figure["control_requests"]
    return (
        f"{name} {patched['bad']} of {patched['requests']} against {control['bad']} of {control['requests']}, "
        f"an increase of at most {percent(figure['increase_at_most'])}"
    )


def _of(counts: RequestCounts) -> str:
    return f"{counts.bad} bad of {counts.requests} requests ({percent(counts.share or 0.0)})"


def _counted(counts: RequestCounts) -> dict[str, int]:
    return {"requests": counts.requests, "bad": counts.bad}


def _one_to(log_value: float) -> float:
    return round(math.exp(min(log_value, 60.0)), 3)


def _names(hosts: Sequence[str]) -> str:
    if not hosts:
        return "no host"
    return hosts[0] if len(hosts) == 1 else f"{', '.join(hosts[:-1])} and {hosts[-1]}"
