"""The comparison of strategies on what the warehouse knows: for each asset group, kept with its evidence; and what pages read.

A group's history is the warehouse's advisories for the releases that its hosts run; the regressions' share comes from there
too, where it holds any, otherwise from Debian's lists up to 2023 (regressions.DEBIAN_TO_2023).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from suture import evidence, policy
from suture.errors import BadInputError
from suture.model import canonical_hash
from suture.model.history import AdvisoryKind, HistoricAdvisory
from suture.risk.regressions import DEBIAN_TO_2023, regression_share
from suture.risk.strategy import StrategyPolicy
from suture.risk.strategy_chart import panel_svgs
from suture.risk.strategy_simulation import Comparison, Scene, compare
from suture.store import Json, Store

_ACTOR = "suture:strategy_review"
_NOTICE = re.compile(r"((?:DSA|DLA|ELA)-\d{1,6})-(\d{1,4})\b")


@dataclass(frozen=True)
class Fleet:
    """An asset group as the warehouse knows it. codenames: the releases its hosts run."""

    group: str
    hosts: Mapping[str, int]
    codenames: frozenset[str]


def review_strategies(store: Store, policy_dir: Path, *, now: datetime, actor: str = _ACTOR) -> list[Comparison]:
    """Compare for every asset group that has hosts, and keep each comparison. A group that nothing concerns is left out."""
    strategies = StrategyPolicy.load(policy_dir)
    policy_hash = canonical_hash(policy.load(policy_dir / "strategy.yaml", "strategy"))
    history = warehouse_history(store)
    share = regression_share(history)
    kept = []
    for fleet in fleets(store):
        scene = scene_of(store, fleet, strategies)
        own = [entry for entry in history if not entry.codenames or entry.codenames & fleet.codenames]
        try:
            found = compare(own, scene, strategies, regressions=share if share.broken else DEBIAN_TO_2023)
        except BadInputError:
            continue
        _keep(store, found, strategies, policy_hash, now=now, actor=actor)
        kept.append(found)
    return kept


def warehouse_history(store: Store) -> list[HistoricAdvisory]:
    """The warehouse's advisories as history. A codename of None is every release.

    A title that begins with a vendor's number and revision (DSA-5356-2) says which text it revises.
    """
    return [_entry(row) for row in store.fetch_all("strategy/list_advisory_history")]


def _entry(row: Mapping[str, Any]) -> HistoricAdvisory:
    title = row["title"] or ""
    notice = _NOTICE.match(title)
    revision = int(notice[2]) if notice else 1
    return HistoricAdvisory(
        advisory_id=notice[0] if notice else row["advisory_id"],
        published=row["published"],
        source_package=row["source_package"],
        kind=AdvisoryKind.REGRESSION if "regression" in title.lower() else AdvisoryKind.SECURITY,
        cves=tuple(row["cves"]),
        fixed=((row["codename"], row["fixed_version"] or ""),) if row["codename"] else (),
        revision=revision,
        revision_of=f"{notice[1]}-1" if notice and revision > 1 else None,
        title=title,
    )


def fleets(store: Store, asset_group: str | None = None) -> list[Fleet]:
    """The production hosts' source packages by asset group."""
    hosts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    codenames: dict[str, set[str]] = defaultdict(set)
    for row in store.fetch_all("strategy/list_group_sources", {"asset_group": asset_group}):
        hosts[row["asset_group"]][row["source_package"]] += row["hosts"]
        if row["os_codename"]:
            codenames[row["asset_group"]].add(row["os_codename"])
    return [Fleet(group, dict(found), frozenset(codenames[group])) for group, found in sorted(hosts.items())]


def scene_of(store: Store, fleet: Fleet, strategies: StrategyPolicy) -> Scene:
    """The replay's scene for a group, with what the warehouse knows of exploitation."""
    floor = min((one.epss_trigger for one in strategies.strategies if one.epss_trigger is not None), default=1.0)
    rows = store.fetch_all("strategy/list_exploitation_dates", {"epss_at_least": floor})
    exploited: dict[str, date] = {row["cve_id"]: row["date_added"] for row in rows if row["date_added"] is not None}
    epss = {row["cve_id"]: float(row["probability"]) for row in rows if row["probability"] is not None}
    return Scene(fleet.group, fleet.hosts, exploited, epss)


def latest_comparisons(store: Store) -> list[dict[str, Any]]:
    """For the page: each group's newest comparison with its chart (`chart_svg`, an inline SVG a figure, escaped)."""
    return [
        {
            **{name: row[name] for name in ("asset_group", "history", "in_force", "recommended", "robust", "advisories")},
            "first_day": row["first_day"].isoformat(),
            "last_day": row["last_day"].isoformat(),
            "compared_at": row["compared_at"].isoformat(),
            "sentence": row["result"]["sentence"],
            "outcomes": row["result"]["outcomes"],
            "regressions": row["result"]["regressions"],
            "differs": row["in_force"] != row["recommended"],
            "chart_svg": "".join(panel_svgs(row["result"])),
        }
        for row in store.fetch_all("strategy/list_strategy_comparisons")
    ]


def _keep(
    store: Store, found: Comparison, strategies: StrategyPolicy, policy_hash: str, *, now: datetime, actor: str
) -> None:
    in_force = strategies.of(found.group).name
    with store.transaction():
        row = store.fetch_one(
            "strategy/insert_strategy_comparison",
            {
                "asset_group": found.group,
                "history": "warehouse",
                "first_day": found.first,
                "last_day": found.last,
                "advisories": found.advisories,
                "in_force": in_force,
                "recommended": found.recommended,
                "robust": found.robust,
                "result": Json(found.as_json()),
                "policy_hash": policy_hash,
                "compared_at": now,
            },
        )
        assert row is not None
        evidence.record(
            store,
            actor=actor,
            action="strategies_compared",
            subject=f"asset_group:{found.group}",
            grounds={
                "comparison_id": row["comparison_id"],
                "in_force": in_force,
                "recommended": found.recommended,
                "robust": found.robust,
                "policy_hash": policy_hash,
                "totals": {outcome.strategy: outcome.total for outcome in found.outcomes},
                "sentence": found.sentence,
            },
            at=now,
        )


def comparison_groups(comparisons: Sequence[Comparison]) -> str:
    """One line for the task's log."""
    told = "; ".join(f"{found.group}: {found.recommended}" for found in comparisons)
    return f"{len(comparisons)} asset groups compared{': ' + told if told else ''}."
