"""Replaying history: what each strategy would have cost an asset group.

The rules:

1. A fix is installed on the day its strategy releases it; a trigger that holds earlier releases it on that day. A package
   is installed in the newest version that is out by then, as an archive offers it: every fix of it that is out goes along.
   Where a reactive group is touched at all, everything that is out by then goes along.
2. One campaign is one day on which something is installed. A host with a package of `reboot_packages` reboots once a campaign.
3. Exposure is hosts times days from publication to installation, for security advisories; exploited exposure is the part of
   it whose CVEs are known to be exploited today, whenever that was learned: attackers do not wait for the catalogue.
4. A regression is met when the broken version was installed on a day before its regression update came out. Expected
   regressions are reckoned from the whole history's share and delay, since one group's own count is small; they are priced.
5. The recommendation is the lowest total at the policy's prices. It is said to be robust only where it stays the same with
   exposure at a third and at three times its price.

What the replay assumes, and so cannot tell: installation on the day itself (no window), today's packages for the whole period,
today's EPSS for then, KEV from the day of its entry (the catalogue began in November 2021), no regression that was never mended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from fnmatch import fnmatchcase
from statistics import median
from typing import Any

from suture.errors import BadInputError
from suture.model.history import AdvisoryKind, HistoricAdvisory
from suture.risk.regressions import RegressionShare, regression_share
from suture.risk.strategy import Mode, Prices, SimulationPolicy, Strategy, StrategyPolicy, start_of_day
from suture.wording import counted

_BEYOND = timedelta(days=800)  # cut-offs are reckoned this far past the last advisory
_SCALES = (1 / 3, 3.0)


@dataclass(frozen=True)
class Scene:
    """What the replay runs on.

    hosts: how many hosts of the group run each source package; only those packages count. exploited: the day a CVE was known
    to be exploited. epss: today's probability. codename: only fixes for that release (None: any).
    """

    group: str
    hosts: Mapping[str, int]
    exploited: Mapping[str, date]
    epss: Mapping[str, float]
    codename: str | None = None


@dataclass(frozen=True)
class Outcome:
    """One strategy's figures. Exposure in host-days; waits in days; costs and total in points."""

    strategy: str
    mode: str
    exposure_days: int
    exploited_exposure_days: int
    changes: int
    package_updates: int
    reboots: int
    qa_hours: float
    regressions_met: int
    regressions_expected: float
    median_wait_days: float
    longest_wait_days: int
    costs: Mapping[str, float]
    total: float


@dataclass(frozen=True)
class Comparison:
    """outcomes: cheapest first. robust: whether the recommendation holds with exposure at a third and at three times its price."""

    group: str
    first: date
    last: date
    advisories: int
    packages: int
    hosts: int
    outcomes: tuple[Outcome, ...]
    regressions: RegressionShare
    recommended: str
    robust: bool
    sensitivity: Mapping[str, str]
    sentence: str

    def as_json(self) -> dict[str, Any]:
        return {
            "group": self.group,
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "advisories": self.advisories,
            "packages": self.packages,
            "hosts": self.hosts,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
            "regressions": self.regressions.as_json(),
            "recommended": self.recommended,
            "robust": self.robust,
            "sensitivity": dict(self.sensitivity),
            "sentence": self.sentence,
        }


def compare(
    history: Sequence[HistoricAdvisory],
    scene: Scene,
    policy: StrategyPolicy,
    *,
    strategies: Sequence[Strategy] | None = None,
    since: date | None = None,
    regressions: RegressionShare | None = None,
) -> Comparison:
    """Every strategy of the policy (or those given) on the same history. Raises BadInputError when nothing concerns the group.

    regressions: a share known from elsewhere, for a history that has none of its own.
    """
    replayed = [entry for entry in history if _concerns(entry, scene) and (since is None or entry.published >= since)]
    if not replayed:
        raise BadInputError(
            f"No advisory of this history concerns {scene.group} ({len(scene.hosts)} source packages).",
            remedy="Check the package names (source packages), --codename and --since.",
        )
    share = regressions or regression_share(history)
    chosen = tuple(strategies or policy.strategies)
    outcomes = [_replay(replayed, scene, strategy, policy.simulation, share) for strategy in chosen]
    ranked = sorted(outcomes, key=lambda outcome: (outcome.total, outcome.strategy))
    sensitivity = {f"exposure x {scale:.2g}": _cheapest(outcomes, policy.simulation.prices, scale) for scale in _SCALES}
    robust = set(sensitivity.values()) == {ranked[0].strategy}
    return Comparison(
        group=scene.group,
        first=min(entry.published for entry in replayed),
        last=max(entry.published for entry in replayed),
        advisories=len({(entry.advisory_id, entry.source_package) for entry in replayed}),
        packages=len({entry.source_package for entry in replayed}),
        hosts=max(scene.hosts[entry.source_package] for entry in replayed),
        outcomes=tuple(ranked),
        regressions=share,
        recommended=ranked[0].strategy,
        robust=robust,
        sensitivity=sensitivity,
        sentence=_sentence(scene.group, ranked, robust, sensitivity),
    )


def _concerns(entry: HistoricAdvisory, scene: Scene) -> bool:
    return (
        entry.kind is not AdvisoryKind.OTHER
        and scene.hosts.get(entry.source_package, 0) > 0
        and (scene.codename is None or scene.codename in entry.codenames)
    )


def _replay(
    entries: Sequence[HistoricAdvisory], scene: Scene, strategy: Strategy, reckon: SimulationPolicy, share: RegressionShare
) -> Outcome:
    installed = _installed_on(entries, scene, strategy)
    days: dict[date, set[str]] = defaultdict(set)
    exposure = exploited = 0
    waits, expected = [], 0.0
    for entry, day in installed:
        days[day].add(entry.source_package)
        if entry.kind is not AdvisoryKind.SECURITY:
            continue
        wait = (day - entry.published).days
        waits.append(wait)
        hosts = scene.hosts[entry.source_package]
        exposure += hosts * wait
        if any(cve in scene.exploited for cve in entry.cves):
            exploited += hosts * wait
        if entry.revision == 1:
            expected += share.expected_after(wait)
    updates = sum(len(packages) for packages in days.values())
    figures: dict[str, Any] = {
        "exposure_days": exposure,
        "exploited_exposure_days": exploited,
        "changes": len(days),
        "package_updates": updates,
        "reboots": sum(_reboots(packages, scene.hosts, reckon.reboot_packages) for packages in days.values()),
        "qa_hours": round(len(days) * reckon.qa_hours_per_campaign + updates * reckon.qa_hours_per_package, 1),
        "regressions_met": _regressions_met(installed),
        "regressions_expected": round(expected, 2),
        "median_wait_days": float(median(waits)) if waits else 0.0,
        "longest_wait_days": max(waits, default=0),
    }
    costs = _costs(figures, reckon.prices, 1.0)
    return Outcome(strategy.name, strategy.mode.value, **figures, costs=costs, total=round(sum(costs.values()), 1))


def _installed_on(
    entries: Sequence[HistoricAdvisory], scene: Scene, strategy: Strategy
) -> list[tuple[HistoricAdvisory, date]]:
    """Each entry with its day, oldest first."""
    ordered = sorted(entries, key=lambda entry: (entry.published, entry.advisory_id))
    release = _releases(strategy, ordered)
    due: list[tuple[HistoricAdvisory, date]] = []
    for entry in ordered:
        known = (max(day, entry.published) for day in _triggered_on(entry, scene, strategy))
        due.append((entry, min([release(entry.published), *known])))
    # A visit takes along what is out by then: the package's newest version, and in a reactive group everything.
    visits: dict[str, list[date]] = defaultdict(list)
    for entry, day in sorted(due, key=lambda pair: pair[1]):
        seen = visits[_visited(entry, strategy)]
        if not seen or seen[-1] < entry.published:  # nobody came by since it was out: its own day is a visit
            seen.append(day)
    found = []
    for entry, _day in due:
        seen = visits[_visited(entry, strategy)]
        found.append((entry, seen[bisect_left(seen, entry.published)]))
    return found


def _visited(entry: HistoricAdvisory, strategy: Strategy) -> str:
    return "" if strategy.mode is Mode.REACTIVE else entry.source_package


def _releases(strategy: Strategy, ordered: Sequence[HistoricAdvisory]) -> Any:
    """published → the day without a trigger. Cut-offs are listed once: reckoning a rule for each advisory takes minutes."""
    if strategy.cadence is None:
        wait = strategy.backstop if strategy.mode is Mode.REACTIVE else strategy.soak
        return lambda published: published + wait
    until = start_of_day(ordered[-1].published) + _BEYOND
    cut_offs: list[date] = []
    for cut_off in strategy.cadence.cut_offs(start_of_day(ordered[0].published)):
        cut_offs.append(cut_off.astimezone(strategy.cadence.zone).date())
        if cut_off > until:
            break

    def released(published: date) -> date:
        place = bisect_left(cut_offs, published)
        return (cut_offs[place] if place < len(cut_offs) else published) + strategy.soak

    return released


def _triggered_on(entry: HistoricAdvisory, scene: Scene, strategy: Strategy) -> Iterator[date]:
    known = _exploited_on(entry, scene)
    if known is not None:
        yield known
    if strategy.epss_trigger is not None and any(scene.epss.get(cve, 0.0) >= strategy.epss_trigger for cve in entry.cves):
        yield entry.published


def _exploited_on(entry: HistoricAdvisory, scene: Scene) -> date | None:
    """The day its exploitation counts from: not before the fix was there."""
    days = [scene.exploited[cve] for cve in entry.cves if cve in scene.exploited]
    return max(min(days), entry.published) if days else None


def _reboots(packages: Iterable[str], hosts: Mapping[str, int], patterns: Sequence[str]) -> int:
    """Hosts that one campaign reboots: those of the most widespread package that needs it."""
    return max((hosts[name] for name in packages if any(fnmatchcase(name, pattern) for pattern in patterns)), default=0)


def _regressions_met(installed: Sequence[tuple[HistoricAdvisory, date]]) -> int:
    mended: dict[tuple[str, str], date] = {}
    for entry, _day in installed:
        if entry.kind is AdvisoryKind.REGRESSION and entry.revision > 1:
            mended.setdefault((entry.family, entry.source_package), entry.published)
    return sum(
        1
        for entry, day in installed
        if entry.kind is AdvisoryKind.SECURITY
        and entry.revision == 1
        and day < mended.get((entry.family, entry.source_package), date.min)
    )


def _costs(figures: Mapping[str, Any], prices: Prices, exposure_scale: float) -> dict[str, float]:
    """Points by item. Exploited exposure is priced on top of plain exposure."""
    return {
        "exposure": round(figures["exposure_days"] * prices.exposure_day * exposure_scale, 1),
        "exploited exposure": round(
            figures["exploited_exposure_days"] * prices.exploited_exposure_day * exposure_scale, 1
        ),
        "changes": round(figures["changes"] * prices.change, 1),
        "reboots": round(figures["reboots"] * prices.reboot, 1),
        "QA": round(figures["qa_hours"] * prices.qa_hour, 1),
        "regressions": round(figures["regressions_expected"] * prices.regression, 1),
    }


def _cheapest(outcomes: Sequence[Outcome], prices: Prices, scale: float) -> str:
    def total(outcome: Outcome) -> tuple[float, str]:
        return sum(_costs(asdict(outcome), prices, scale).values()), outcome.strategy

    return min(outcomes, key=total).strategy


def _sentence(group: str, ranked: Sequence[Outcome], robust: bool, sensitivity: Mapping[str, str]) -> str:
    best = ranked[0]
    told = (
        f"For {group}, {best.strategy} would have been cheapest: {best.total:,.0f} points"
        f" ({counted(best.exposure_days, 'host-day')} of exposure, {counted(best.changes, 'change')},"
        f" {counted(best.reboots, 'reboot')}, {best.qa_hours:,.0f} QA hours,"
        f" {best.regressions_expected:.1f} regressions expected)"
    )
    if len(ranked) > 1:
        more = (ranked[1].total / best.total - 1) * 100 if best.total else 0.0
        dearer = f"with {more:.0f} % more" if more >= 1 else "with less than 1 % more" if more else "at the same price"
        told += f"; next is {ranked[1].strategy} {dearer}"
    if robust:
        return f"{told}. It stays so with exposure at a third and at three times its price."
    others = "; ".join(f"with {price}: {name}" for price, name in sensitivity.items())
    return f"{told}. The choice hangs on the price of exposure ({others}): set the prices in strategy.yaml first."
