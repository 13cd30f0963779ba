"""What the organisation decided about risk, typed: sla.yaml and the decision table (ssvc_deployer.yaml)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from suture import policy
from suture.model import Criticality, Exposure, Priority

Row = tuple[str, str, str, str]  # exploitation, exposure, automatable, human impact


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
    """deadlines: by priority, from the moment the finding's clock starts. table: the whole decision table."""

    deadlines: Mapping[Priority, timedelta]
    unscored_priority: Priority
    unscored_deadline: timedelta
    unknown_exploitation: str
    unknown_automatable: str
    human_impact: Mapping[Criticality, str]
    raise_rules: Sequence[RaiseRule]
    table_name: str
    table: Mapping[Row, Priority]

    @classmethod
    def load(cls, policy_dir: Path) -> RiskPolicy:
        """Read sla.yaml and ssvc_deployer.yaml. Raises PolicyError."""
        sla = policy.load(policy_dir / "sla.yaml", "sla")
        name, table = load_table(policy_dir / "ssvc_deployer.yaml")
        return cls(
            deadlines={Priority(word): timedelta(hours=hours) for word, hours in sla["deadlines_hours"].items()},
            unscored_priority=Priority(sla["unscored"]["priority"]),
            unscored_deadline=timedelta(hours=sla["unscored"]["deadline_hours"]),
            unknown_exploitation=sla["unknown"]["exploitation"],
            unknown_automatable=sla["unknown"]["automatable"],
            human_impact={Criticality(word): impact for word, impact in sla["human_impact"].items()},
            raise_rules=tuple(
                RaiseRule(
                    priority=Priority(rule["priority"]),
                    because=rule["because"],
                    in_kev=rule["when"].get("in_kev"),
                    known_ransomware=rule["when"].get("known_ransomware"),
                    cvss_at_least=rule["when"].get("cvss_at_least"),
                    epss_at_least=rule["when"].get("epss_at_least"),
                )
                for rule in sla["raise_to"]
            ),
            table_name=name,
            table=table,
        )


def load_table(path: Path) -> tuple[str, dict[Row, Priority]]:
    """A decision table: its name and its rows. Raises PolicyError when a combination is missing or decided twice."""
    found = policy.load(path, "ssvc_deployer")
    table: dict[Row, Priority] = {}
    mistakes = []
    for number, (exploitation, exposure, automatable, impact, priority) in enumerate(found["rows"], start=1):
        row = (exploitation, exposure, automatable, impact)
        if row in table:
            mistakes.append(f"{path.name}: row {number} decides {', '.join(row)} for the second time.")
        table[row] = Priority(priority)
    every = itertools.product(
        ("none", "poc", "active"),
        [exposure.value for exposure in Exposure],
        ("no", "yes"),
        ("low", "medium", "high", "very_high"),
    )
    mistakes += [f"{path.name}: no row decides {', '.join(row)}." for row in every if row not in table]
    if mistakes:
        raise policy.PolicyError(str(path), mistakes)
    return str(found["name"]), table
