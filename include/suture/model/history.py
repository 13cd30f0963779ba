"""Advisories as history: what a vendor said on which day, and what it had to mend later.

The seam between the readers of such lists (files, the warehouse, a feed) and what replays them (risk/strategy_simulation).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class AdvisoryKind(StrEnum):
    """What a vendor's list says an entry is for. OTHER: an announcement, new data, a new package; nothing to patch for."""

    SECURITY = "security"
    REGRESSION = "regression"
    OTHER = "other"


@dataclass(frozen=True)
class HistoricAdvisory:
    """One entry of a vendor's history.

    published: the vendor's day, without a time of day. cves: upper case, sorted; () where the entry names none.
    fixed: fixed source version by codename; {} where the list gives none. revision: 1 for the first text of an
    advisory; revision_of: the first text's id, None for revision 1.
    """

    advisory_id: str
    published: date
    source_package: str
    kind: AdvisoryKind
    cves: tuple[str, ...] = ()
    fixed: tuple[tuple[str, str], ...] = ()
    revision: int = 1
    revision_of: str | None = None
    title: str = ""

    @property
    def codenames(self) -> frozenset[str]:
        return frozenset(codename for codename, _version in self.fixed)

    @property
    def family(self) -> str:
        """The id of the first text: what all revisions of an advisory share."""
        return self.revision_of or self.advisory_id
