"""A time that a campaign could be rolled out in, as the rollout room finds it and the risk room weighs it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class CandidateWindow:
    """[start, end) in aware UTC, from the moment work could begin. needed: what the campaign needs of it."""

    window: str
    time_zone: str
    start: datetime
    end: datetime
    needed: timedelta

    @property
    def fits(self) -> bool:
        return self.end - self.start >= self.needed

    @property
    def spoken(self) -> str:
        """'Sun 2026-03-29 03:30 CEST'"""
        return f"{self.start.astimezone(ZoneInfo(self.time_zone)):%a %Y-%m-%d %H:%M %Z}"

    def as_json(self) -> dict[str, Any]:
        return {
            "window": self.window,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "local_start": self.start.astimezone(ZoneInfo(self.time_zone)).isoformat(),
            "room_seconds": int((self.end - self.start).total_seconds()),
            "needed_seconds": int(self.needed.total_seconds()),
            "fits": self.fits,
        }


@dataclass(frozen=True)
class Candidates:
    """The next openings in order, those that are too short among them. refusal: why none fits, with the arithmetic."""

    windows: tuple[CandidateWindow, ...]
    refusal: str | None = None
