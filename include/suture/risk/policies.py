"""What the organisation decided about risk, typed: sla.yaml, the decision tables it names, and the clocks.

sla.yaml selects one table by default and may select another for an asset group; it may name tables to compare with: their
outcomes are kept as information and decide nothing. An asset group that assets.yaml does not have is refused wherever it is
named, since a rule for it would silently never hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from suture import policy
from suture.model import Criticality, Exposure, Priority
from suture.policy import LocatedPolicy
from suture.risk.clocks import ClockRule, load_clocks
from suture.risk.tables import DecisionTable, load_table

__all__ = ["RaiseRule", "RiskPolicy", "load_table"]

DEFAULT_TABLE = "ssvc_deployer"


@dataclass(frozen=True)
class RaiseRule:
    """Raises a priority when every condition that is not None holds."""

    priority: Priority
    because: str
    in_kev: bool | None
    known_ransomware: bool | None
    cvss_at_least: float | None
    epss_at_least: float | None


@dataclass(frozen=True)
class RiskPolicy:
    """deadlines: by priority, from the moment the finding's clock starts. digests: by file, what each policy said."""

    deadlines: Mapping[Priority, timedelta]
    unscored_priority: Priority
    unscored_deadline: timedelta
    unknown_exploitation: str
    unknown_automatable: str
    unknown_technical_impact: str
    human_impact: Mapping[Criticality, str]
    publicly_exposed: frozenset[Exposure]
    raise_rules: Sequence[RaiseRule]
    table: DecisionTable
    table_by_group: Mapping[str, DecisionTable]
    compared: tuple[DecisionTable, ...]
    clocks: tuple[ClockRule, ...]
    digests: Mapping[str, str]

    @property
    def table_name(self) -> str:
        """The tables that decide, by name: the default one first."""
        names = [self.table.name, *(table.name for table in self.table_by_group.values())]
        return "; ".join(dict.fromkeys(names))

    def table_for(self, asset_group: str) -> DecisionTable:
        """The table that decides for this asset group."""
        return self.table_by_group.get(asset_group, self.table)

    def digest(self, file: str) -> str | None:
        """`sha256:` and the first 16 digits of what a policy file said; None for a file that was not read."""
        found = self.digests.get(file)
        return f"sha256:{found[:16]}" if found else None

    @classmethod
    def load(cls, policy_dir: Path) -> RiskPolicy:
        """Read sla.yaml, the tables it names, and the names of assets.yaml. Raises PolicyError with every mistake."""
        sla = policy.load_located(policy_dir / "sla.yaml", "sla")
        found = sla.value
        mistakes: list[str] = []
        choice = found.get("tables", {})
        keys = [
            choice.get("default", DEFAULT_TABLE),
            *choice.get("by_asset_group", {}).values(),
            *choice.get("compare", ()),
        ]
        tables = {key: load_table(policy_dir / f"{key}.yaml") for key in dict.fromkeys(keys)}
        digests = {"sla.yaml": sla.digest, **{f"{key}.yaml": table.digest for key, table in tables.items()}}
        if (policy_dir / "assets.yaml").exists():
            assets = policy.load_located(policy_dir / "assets.yaml", "assets")
            digests["assets.yaml"] = assets.digest
            mistakes += _unknown_groups(sla, [group["name"] for group in assets.value["asset_groups"]])
        clocks = load_clocks(sla, _zone(sla, mistakes), mistakes)
        if mistakes:
            raise policy.PolicyError(str(policy_dir / "sla.yaml"), mistakes)
        return cls(
            deadlines={Priority(word): timedelta(hours=hours) for word, hours in found["deadlines_hours"].items()},
            unscored_priority=Priority(found["unscored"]["priority"]),
            unscored_deadline=timedelta(hours=found["unscored"]["deadline_hours"]),
            unknown_exploitation=found["unknown"]["exploitation"],
            unknown_automatable=found["unknown"]["automatable"],
            unknown_technical_impact=found["unknown"].get("technical_impact", "total"),
            human_impact={Criticality(word): impact for word, impact in found["human_impact"].items()},
            publicly_exposed=frozenset(Exposure(word) for word in found.get("publicly_exposed", ("open",))),
            raise_rules=_raise_rules(sla),
            table=tables[keys[0]],
            table_by_group={group: tables[key] for group, key in choice.get("by_asset_group", {}).items()},
            compared=tuple(tables[key] for key in choice.get("compare", ())),
            clocks=clocks,
            digests=digests,
        )


def _raise_rules(sla: LocatedPolicy) -> tuple[RaiseRule, ...]:
    return tuple(
        RaiseRule(
            priority=Priority(rule["priority"]),
            because=rule["because"],
            in_kev=rule["when"].get("in_kev"),
            known_ransomware=rule["when"].get("known_ransomware"),
            cvss_at_least=rule["when"].get("cvss_at_least"),
            epss_at_least=rule["when"].get("epss_at_least"),
        )
        for rule in sla.value["raise_to"]
    )


def _zone(sla: LocatedPolicy, mistakes: list[str]) -> ZoneInfo:
    name = sla.value.get("time_zone", "UTC")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        mistakes.append(
            f"{sla.place('time_zone')}: there is no time zone {name!r}; give an IANA name such as Europe/Vienna."
        )
        return ZoneInfo("UTC")


def _unknown_groups(sla: LocatedPolicy, names: Sequence[str]) -> list[str]:
    mistakes = [
        f"{sla.place('tables', 'by_asset_group', group)}: assets.yaml has no asset group {group!r}."
        for group in sla.value.get("tables", {}).get("by_asset_group", {})
        if group not in names
    ]
    for number, clock in enumerate(sla.value.get("clocks", ())):
        for place, pattern in enumerate(clock["asset_groups"]):
            if not any(fnmatchcase(name, pattern) for name in names):
                where = sla.place("clocks", number, "asset_groups", place)
                mistakes.append(f"{where}: {pattern!r} names no asset group of assets.yaml.")
    return mistakes
