"""Reads for pages and reports: why a finding is open, and what stands between findings and their fixes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.inventory.conditions import SENTENCES
from suture.store import Store


@dataclass(frozen=True)
class FindingGrounds:
    """decision, decided_at None: the finding is closed, and nothing is decided for its version any more.

    grounds: as deciding.py writes them (`sentence`, `ranges`, `vulnerabilities`, `excused`, `rejected`, `same_as`,
    `phased`, `states`); texts in it come from outside and are to be escaped.
    """

    status: str
    installed_version: str
    fixed_version: str | None
    decision: str | None
    decided_at: datetime | None
    grounds: dict[str, Any]
    conditions: tuple[str, ...]

    @property
    def condition_sentences(self) -> tuple[str, ...]:
        return tuple(SENTENCES.get(name, name) for name in self.conditions)


def finding_grounds(store: Store, host_id: str, advisory_id: str) -> FindingGrounds | None:
    """None: there is no such finding."""
    row = store.fetch_one("pair/fetch_finding_grounds", {"host_id": host_id, "advisory_id": advisory_id})
    if row is None:
        return None
    return FindingGrounds(
        status=row["finding_status"], installed_version=row["installed_version"], fixed_version=row["fixed_version"],
        decision=row["decision"], decided_at=row["decided_at"], grounds=row["grounds"] or {},
        conditions=tuple(row["conditions"]),
    )  # fmt: skip


def condition_counts(store: Store) -> dict[str, dict[str, int]]:
    """condition → {findings, hosts} of what is open or accepted; conditions that nothing has are left out."""
    rows = store.fetch_all("finding/count_conditions")
    return {row["name"]: {"findings": row["findings"], "hosts": row["hosts"]} for row in rows}
