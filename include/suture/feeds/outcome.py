"""How a sync ended, in one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from suture.wording import counted


class FeedStatus(StrEnum):
    ACCEPTED = "accepted"
    UNCHANGED = "unchanged"
    QUARANTINED = "quarantined"
    REPLAYED = "replayed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class FeedOutcome:
    """One sync of one source. reason: None where there is nothing to say; records: rows of the main table that count
    now; quarantined: records left out this time; dated_snapshot: None for a live source."""

    source: str
    status: FeedStatus
    reason: str | None
    records: int
    quarantined: int
    data_date: datetime | None
    dated_snapshot: date | None

    @property
    def ok(self) -> bool:
        return self.status in (FeedStatus.ACCEPTED, FeedStatus.UNCHANGED)

    @property
    def sentence(self) -> str:
        origin = f" (dated snapshot of {self.dated_snapshot.isoformat()})" if self.dated_snapshot else ""
        head = f"{self.source}{origin}: {self.status.value}"
        if self.status is FeedStatus.ACCEPTED:
            head += f", {counted(self.records, 'record')}"
            head += f", {self.quarantined} left out" if self.quarantined else ""
        if self.reason:
            head += f": {self.reason}"
        return head + ("" if head.endswith(".") else ".") + ("" if self.ok else " The last good data stands.")
