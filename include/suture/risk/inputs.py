"""One thing that a decision rests on, with who says it and as of when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any


@dataclass(frozen=True)
class Input:
    """as_of: ISO 8601 (or a policy's sha256); None where the source gives no date."""

    name: str
    value: str
    source: str
    as_of: str | None

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "source": self.source, "as_of": self.as_of}


def iso(moment: datetime | date | None) -> str | None:
    return moment.isoformat() if moment else None
