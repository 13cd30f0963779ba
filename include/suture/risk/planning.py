"""Planning: open findings become campaigns, by policy (planning.yaml).

The rules:

1. A campaign is one asset group and one patch source. Within them the first rule of planning.yaml that names a source
   package takes it; what one rule takes is one campaign, cut where the cap is reached or where the rule splits.
2. Of several fixed versions of one source package, the newest that was not retired is taken. A version that was rolled
   back is never offered again.
3. What is installed is what is planned: the fixed source's binary packages that stand on the hosts, at the version the
   advisory gives. A package on hold is left alone, and said to be.
4. A live campaign is left alone. Up to the state `supersede_until`, and where it waits for a person (rejected, test
   failed, declined), a newer fix of one of its source packages supersedes it: its findings go into the new campaign.
   Once approved it rolls first, and the newer fix follows in the next campaign.
5. A group of findings none of which is as urgent as `lowest_priority` waits.
6. A finding whose asset group's strategy (strategy.yaml) lets it wait is not planned, and supersedes nothing, until its date
   or a trigger; a campaign's reasons say which it was. Without a strategy everything is planned at once.
7. A campaign installs all its packages on all its hosts. So a host on which the risk of a source package is accepted
   shares no campaign that carries that package: it is planned apart.
8. A campaign is requested by its asset group's owner, who can therefore not approve it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from suture import policy
from suture.campaign import CampaignState, StaleMoveError, create_campaign, move, next_campaign_id
from suture.errors import BadInputError
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.model.assets import AssetGroup, AssetRegister
from suture.risk.clocks import holder
from suture.risk.readiness import ready_findings
from suture.risk.scoring import most_urgent
from suture.risk.strategy import StrategyPolicy
from suture.store import Store
from suture.store.hosts import staging_hosts
from suture.wording import counted

RingPlan = Callable[[AssetGroup, Sequence[str]], Mapping[Ring, tuple[str, ...]]]
Finding = Mapping[str, Any]

_ACTOR = "suture:risk_scoring"
_WAITING_FOR_A_PERSON = frozenset({CampaignState.REJECTED, CampaignState.TEST_FAILED, CampaignState.DECLINED})
_BEFORE_APPROVAL = (CampaignState.PLANNED, CampaignState.VALIDATED, CampaignState.TESTED)


@dataclass(frozen=True)
class PlanningRule:
    name: str
    asset_groups: tuple[str, ...]
    sources: tuple[str, ...]
    source_packages: tuple[str, ...]
    split_by_source_package: bool
    max_source_packages: int
    max_unavailable: int

    def takes(self, finding: Finding) -> bool:
        return (
            _named(finding["asset_group"], self.asset_groups)
            and _named(finding["source"], self.sources)
            and _named(finding["source_package"], self.source_packages)
        )


@dataclass(frozen=True)
class PlanningPolicy:
    lowest_priority: Priority
    supersedable: frozenset[CampaignState]
    rules: tuple[PlanningRule, ...]

    @classmethod
    def load(cls, policy_dir: Path) -> PlanningPolicy:
        """Read planning.yaml. Raises PolicyError."""
        found = policy.load(policy_dir / "planning.yaml", "planning")
        last = _BEFORE_APPROVAL.index(CampaignState(found["supersede_until"]))
        return cls(
            lowest_priority=Priority(found["lowest_priority"]),
            supersedable=frozenset(_BEFORE_APPROVAL[: last + 1]) | _WAITING_FOR_A_PERSON,
            rules=tuple(
                PlanningRule(
                    name=rule["name"],
                    asset_groups=tuple(rule["asset_groups"]),
                    sources=tuple(rule["sources"]),
                    source_packages=tuple(rule["source_packages"]),
                    split_by_source_package=rule.get("split_by") == "source_package",
                    max_source_packages=rule["max_source_packages"],
                    max_unavailable=rule.get("max_unavailable", 1),
                )
                for rule in found["rules"]
            ),
        )


@dataclass(frozen=True)
class _Draft:
    """Findings that go into one campaign. advisories: the chosen advisory of each source package."""

    group: AssetGroup
    source: str
    rule: PlanningRule
    findings: tuple[Finding, ...]
    advisories: Mapping[str, str]


def plan_campaigns(
    store: Store,
    planning: PlanningPolicy,
    register: AssetRegister,
    *,
    ring_plan: RingPlan,
    now: datetime,
    actor: str = _ACTOR,
    strategy: StrategyPolicy | None = None,
) -> list[str]:
    """Plan what can be planned; the ids of the new campaigns ([]: nothing to plan).

    ring_plan: (asset group, production host ids) → hosts by ring, as the rollout room decides it.
    strategy: when each group takes up a fix; None: at once.
    """
    with store.transaction():
        _supersede(store, planning, ready_findings(store, strategy, now), now=now, actor=actor)
        busy = {(row["asset_group"], row["source_package"]) for row in store.fetch_all("planning/list_live_sources")}
        busy |= {
            (row["asset_group"], row["source_package"]) for row in store.fetch_all("planning/list_hotfix_sources")
        }
        open_findings = [
            finding
            for finding in ready_findings(store, strategy, now)
            if (finding["asset_group"], finding["source_package"]) not in busy
        ]
        accepted = _accepted_sources(store, open_findings)
        planned = [
            _plan(store, draft, ring_plan, now=now, actor=actor) for draft in _drafts(open_findings, accepted, planning, register)
        ]
    return [campaign_id for campaign_id in planned if campaign_id is not None]


def _supersede(
    store: Store, planning: PlanningPolicy, ready: Sequence[Finding], *, now: datetime, actor: str
) -> None:
    """End the campaigns that a newer fix makes pointless, where rule 4 allows it."""
    newest: dict[tuple[str, str], Finding] = {}
    for finding in ready:
        key = (finding["asset_group"], finding["source_package"])
        if key not in newest or finding["sort_key"] > newest[key]["sort_key"]:
            newest[key] = finding
    ended = set()
    for row in store.fetch_all("planning/list_live_sources"):
        newer = newest.get((row["asset_group"], row["source_package"]))
        state = CampaignState(row["state"])
        if (
            newer is None
            or newer["sort_key"] <= row["sort_key"]
            or row["campaign_id"] in ended
            or state not in planning.supersedable
        ):
            continue
        reason = (
            f"{row['source_package']} {newer['fixed_version']} came out after this campaign was planned "
            f"with {row['source_version']}."
        )
        try:
            move(
                store,
                row["campaign_id"],
                expected=state,
                to=CampaignState.SUPERSEDED,
                actor=actor,
                reason=reason,
                grounds={"advisory_id": newer["advisory_id"]},
                at=now,
            )
            ended.add(row["campaign_id"])
        except StaleMoveError:  # it moved on meanwhile: the next run looks again
            continue


def _accepted_sources(store: Store, open_findings: Sequence[Finding]) -> dict[str, frozenset[str]]:
    """Host → source packages that must not be patched there: accepted, and not open for another advisory as well."""
    still_open = {(finding["host_id"], finding["source_package"]) for finding in open_findings}
    found: dict[str, set[str]] = defaultdict(set)
    for row in store.fetch_all("planning/list_accepted_sources"):
        if (row["host_id"], row["source_package"]) not in still_open:
            found[row["host_id"]].add(row["source_package"])
    return {host: frozenset(packages) for host, packages in found.items()}


def _drafts(
    findings: Sequence[Finding],
    accepted: Mapping[str, frozenset[str]],
    planning: PlanningPolicy,
    register: AssetRegister,
) -> Iterator[_Draft]:
    baskets: dict[tuple[str, str, str, str, tuple[str, ...]], list[Finding]] = defaultdict(list)
    wanted = {finding["source_package"] for finding in findings}
    rules = {rule.name: rule for rule in planning.rules}
    for finding in findings:
        rule = next((rule for rule in planning.rules if rule.takes(finding)), None)
        if rule is not None:
            part = finding["source_package"] if rule.split_by_source_package else ""
            apart = tuple(sorted(accepted.get(finding["host_id"], frozenset()) & wanted))
            baskets[finding["asset_group"], finding["source"], rule.name, part, apart].append(finding)
    for (asset_group, source, rule_name, _part, _apart), basket in sorted(baskets.items()):
        urgency = most_urgent(Priority(finding["priority"]) for finding in basket)
        if urgency.rank > planning.lowest_priority.rank:
            continue
        try:
            group = register.group(asset_group)
        except BadInputError:  # hosts of a group that the register no longer names have no owner to ask
            continue
        for chunk in _chunks(basket, rules[rule_name].max_source_packages):
            yield _Draft(group, source, rules[rule_name], tuple(chunk), _newest_advisories(chunk))


def _chunks(basket: Sequence[Finding], size: int) -> Iterator[list[Finding]]:
    """The findings by source package, the most urgent packages first, `size` packages at a time."""
    by_package: dict[str, list[Finding]] = defaultdict(list)
    for finding in basket:
        by_package[finding["source_package"]].append(finding)
    order = sorted(by_package, key=lambda name: (min(_urgency(finding) for finding in by_package[name]), name))
    for start in range(0, len(order), size):
        yield [finding for name in order[start : start + size] for finding in by_package[name]]


def _urgency(finding: Finding) -> tuple[int, datetime]:
    return Priority(finding["priority"]).rank, finding["deadline"]


def _newest_advisories(findings: Sequence[Finding]) -> dict[str, str]:
    newest: dict[str, Finding] = {}
    for finding in findings:
        known = newest.get(finding["source_package"])
        if known is None or finding["sort_key"] > known["sort_key"]:
            newest[finding["source_package"]] = finding
    return {name: finding["advisory_id"] for name, finding in newest.items()}


def _plan(store: Store, draft: _Draft, ring_plan: RingPlan, *, now: datetime, actor: str) -> str | None:
    """Write one campaign; None when no package of it can be planned (all on hold, or gone from the fixed source)."""
    hosts = sorted({finding["host_id"] for finding in draft.findings})
    sources = sorted(draft.advisories)
    staging = staging_hosts(store, draft.group.staging_group, sources)
    rows = store.fetch_all(
        "planning/list_planned_packages",
        {"host_ids": [*hosts, *staging], "advisory_ids": sorted(draft.advisories.values())},
    )
    if not rows:
        return None
    packages = tuple(PlannedPackage(**row) for row in rows)
    plan = CampaignPlan(
        asset_group=draft.group.name,
        source=draft.source,
        window_name=draft.group.window,
        rings={**ring_plan(draft.group, hosts), Ring.STAGING: staging},
        packages=packages,
        max_unavailable=draft.rule.max_unavailable,
        service=draft.group.service,
        extra={"planning_rule": draft.rule.name, **_required_tasks(draft)},
    )
    campaign_id = next_campaign_id(store, at=now)
    create_campaign(
        store,
        campaign_id=campaign_id,
        title=_title(draft, packages),
        requested_by=draft.group.owner,
        priority=most_urgent(Priority(finding["priority"]) for finding in draft.findings),
        deadline=min(finding["deadline"] for finding in draft.findings),
        plan=plan,
        reasons=_reasons(store, draft, packages, staging, hosts),
        finding_ids=[finding["finding_id"] for finding in draft.findings],
        actor=actor,
        at=now,
    )
    return campaign_id


def _title(draft: _Draft, packages: Sequence[PlannedPackage]) -> str:
    """The most urgent source packages by name, with the version where there is only one."""
    order = list(dict.fromkeys(finding["source_package"] for finding in sorted(draft.findings, key=_urgency)))
    planned = {package.source_package: package.source_version for package in packages}
    names = [name for name in order if name in planned]
    if len(names) == 1:
        return f"{names[0]} {planned[names[0]]} for {draft.group.name} ({draft.source})"
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    head = ", ".join(names[:2]) if more else " and ".join(names)
    return f"{head}{more}: updates for {draft.group.name} ({draft.source})"


def _reasons(
    store: Store,
    draft: _Draft,
    packages: Sequence[PlannedPackage],
    staging: Sequence[str],
    hosts: Sequence[str],
) -> list[str]:
    worst = min(draft.findings, key=_urgency)
    first = min(draft.findings, key=lambda finding: finding["deadline"])
    clock = holder(first["clocks"] or (), first["deadline"])
    planned_sources = {package.source_package for package in packages}
    reasons = [
        f"{worst['source_package']} on {worst['host_id']}: {worst['sentence']}",
        f"{counted(len(draft.findings), 'open finding')} of {counted(len(planned_sources), 'source package')} on "
        f"{counted(len(hosts), 'host')}; {counted(len(packages), 'binary package')} to install.",
        *([f"The deadline, {first['deadline']:%Y-%m-%d %H:%M} UTC, is given by {clock}."] if clock else []),
        *sorted({finding["strategy"] for finding in draft.findings if finding.get("strategy")}),
    ]
    for task, hosts_of_task in _required_tasks(draft).get("required_tasks", {}).items():
        reasons.append(
            f"Required task {task}: asked for by the decision table, on {', '.join(hosts_of_task[:5])}"
            f"{f' and {len(hosts_of_task) - 5} more' if len(hosts_of_task) > 5 else ''}, before the update covers traces."
        )
    held = store.fetch_all(
        "planning/list_held_packages", {"host_ids": list(hosts), "source_packages": sorted(draft.advisories)}
    )
    if held:
        names = ", ".join(f"{row['package']} on {row['host_id']}" for row in held[:5])
        reasons.append(f"On hold, and left as it is: {counted(len(held), 'package')}, {names}.")
    missing = sorted(set(draft.advisories) - planned_sources)
    if missing:
        reasons.append(f"Nothing to install for {', '.join(missing)}: held, or no longer built by the fixed source.")
    if not staging:
        reasons.append("No staging host mirrors these hosts: the staging test will stop this campaign.")
    return reasons


def _required_tasks(draft: _Draft) -> dict[str, dict[str, list[str]]]:
    """What the decisions ask for beside the update: {"required_tasks": {task: hosts}}; {} when they ask for nothing."""
    hosts: dict[str, set[str]] = defaultdict(set)
    for finding in draft.findings:
        for task in finding["required_tasks"] or ():
            hosts[task].add(finding["host_id"])
    return {"required_tasks": {task: sorted(found) for task, found in sorted(hosts.items())}} if hosts else {}


def _named(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
