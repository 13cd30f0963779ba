"""How often a vendor's patch needed a second one, and how soon: what waiting for regressions can save.

The rules:

1. Counted are advisories (first texts that are security updates, one for each family and package).
2. One counts as broken when a later revision of it says regression; the days are those to the first such revision.
3. A revision dated before its first text is left out of the days, and still counts as broken.
4. The share's interval is Wilson's (95 %): the counts are small.

What this cannot see: regressions that were mended by a new advisory under a new number, or never.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from suture.model.history import AdvisoryKind, HistoricAdvisory

_Z = 1.959964  # 95 %, two-sided


@dataclass(frozen=True)
class RegressionShare:
    """advisories, broken: counts. days: sorted, from the advisory to its regression update."""

    advisories: int
    broken: int
    days: tuple[int, ...]

    @property
    def share(self) -> float | None:
        """None: no advisory at all."""
        return self.broken / self.advisories if self.advisories else None

    @property
    def interval(self) -> tuple[float, float] | None:
        return wilson(self.broken, self.advisories)

    @property
    def median_days(self) -> float | None:
        return median(self.days) if self.days else None

    def known_within(self, days: int) -> float:
        """The share of regressions that were known `days` days after the advisory (0 where there was none)."""
        return bisect_right(self.days, days) / len(self.days) if self.days else 0.0

    def expected_after(self, days: int) -> float:
        """The chance that a patch installed `days` days after its advisory has a regression that nobody knows yet."""
        return (self.share or 0.0) * (1 - self.known_within(days))

    def as_json(self) -> dict[str, object]:
        return {
            "advisories": self.advisories,
            "followed_by_regression": self.broken,
            "share": self.share,
            "share_95": list(self.interval) if self.interval else None,
            "median_days": self.median_days,
            "known_within_days": {str(days): round(self.known_within(days), 4) for days in (1, 3, 7, 8, 14, 30)},
        }


def regression_share(history: Iterable[HistoricAdvisory], *, since: date | None = None) -> RegressionShare:
    """What the history says. since: only advisories published then or later."""
    first: dict[tuple[str, str], date] = {}
    mended: dict[tuple[str, str], date] = {}
    for entry in history:
        key = (entry.family, entry.source_package)
        if entry.kind is AdvisoryKind.SECURITY and entry.revision == 1:
            if since is None or entry.published >= since:
                first[key] = min(entry.published, first.get(key, entry.published))
        elif entry.kind is AdvisoryKind.REGRESSION and entry.revision > 1:
            mended[key] = min(entry.published, mended.get(key, entry.published))
    broken = [key for key in first if key in mended]
    spans = ((mended[key] - first[key]).days for key in broken)
    return RegressionShare(len(first), len(broken), tuple(sorted(span for span in spans if span >= 0)))


def by_year(history: Sequence[HistoricAdvisory]) -> dict[int, tuple[int, int]]:
    """{year: (advisories, followed by a regression update)}"""
    mended = {
        (entry.family, entry.source_package)
        for entry in history
        if entry.kind is AdvisoryKind.REGRESSION and entry.revision > 1
    }
    firsts = [entry for entry in history if entry.kind is AdvisoryKind.SECURITY and entry.revision == 1]
    total = Counter(entry.published.year for entry in firsts)
    broken = Counter(entry.published.year for entry in firsts if (entry.family, entry.source_package) in mended)
    return {year: (total[year], broken[year]) for year in sorted(total)}


def wilson(hits: int, tries: int) -> tuple[float, float] | None:
    """The 95 % interval of a share (Wilson 1927); None without a try."""
    if not tries:
        return None
    share, square = hits / tries, _Z**2
    centre = (share + square / (2 * tries)) / (1 + square / tries)
    half = _Z / (1 + square / tries) * math.sqrt(share * (1 - share) / tries + square / (4 * tries**2))
    return max(0.0, centre - half), min(1.0, centre + half)


# What these rules give for the DSA and DLA lists of Debian's security tracker, 2002 to April 2023 (8,598 advisories); the days
# stand at the upper edge of their class. For histories too short to have regressions of their own.
_DEBIAN_DAYS = {0: 9, 1: 24, 2: 13, 3: 15, 5: 20, 7: 19, 8: 10, 14: 30, 30: 25, 60: 19, 90: 7, 180: 11, 395: 7}
DEBIAN_TO_2023 = RegressionShare(8598, 209, tuple(day for day, count in _DEBIAN_DAYS.items() for _ in range(count)))
