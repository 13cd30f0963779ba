"""What the sources say of one CVE, each thing with who says it and as of when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property

from suture.risk.cvss_scoring import BadVectorError, assess, without_environment
from suture.risk.inputs import Input, iso


@dataclass(frozen=True)
class ScoreClaim:
    """One source's CVSS for a CVE. source: cna:<name>, adp:<name> or nvd:<name>; vector ""/score None: not given."""

    source: str
    cvss_version: str
    vector: str
    base_score: float | None
    severity: str | None
    dated_at: datetime | None


@dataclass(frozen=True)
class CveFacts:
    """All that is known of a CVE; None (or empty) is not known. sources and dates stand beside each value."""

    cve_id: str
    scores: tuple[ScoreClaim, ...] = ()
    exploitation: str | None = None
    automatable: str | None = None
    technical_impact: str | None = None
    ssvc_source: str | None = None
    ssvc_dated_at: datetime | None = None
    kev_added: date | None = None
    kev_due: date | None = None
    known_ransomware: bool | None = None
    epss: float | None = None
    epss_date: date | None = None
    record_status: str | None = None  # found, absent, quarantined; None: never asked for
    record_as_of: datetime | None = None
    state: str | None = None  # PUBLISHED, REJECTED
    kev_as_of: datetime | date | None = None  # of the catalogue that was looked into; None: there was none
    kev_source: str = "kev"  # who says what stands here of KEV; anyone else than kev has not looked into the catalogue

    @property
    def is_scored(self) -> bool:
        """Whether anything that a decision can rest on is known: a score, an exploitation status, or a KEV entry.

        A severity word without a score, and a vector that cannot be read, are no score.
        """
        known = self.exploitation is not None or self.kev_added is not None
        return known or self.chosen_score is not None

    @cached_property
    def chosen_score(self) -> ChosenScore | None:
        """The claim that counts. Kept: each kind of asset asks for it."""
        return choose_score(self.scores)

    @cached_property
    def other_inputs(self) -> tuple[Input, ...]:
        """KEV, ransomware, EPSS, and the CVE record itself: also where they say nothing. Kept, as above."""
        if self.kev_added is None:
            looked = self.kev_source == "kev" and self.kev_as_of is not None
            found = [Input("kev", "not listed" if looked else "not looked up", self.kev_source, iso(self.kev_as_of))]
        else:
            due = f", due {self.kev_due.isoformat()}" if self.kev_due else ""
            found = [Input("kev", f"added {self.kev_added.isoformat()}{due}", self.kev_source, self.kev_added.isoformat())]
        if self.known_ransomware:
            found.append(Input("ransomware", "known use in campaigns", "kev", iso(self.kev_added)))
        if self.epss is not None:
            found.append(Input("epss", f"{self.epss:.5f} within 30 days", "epss", iso(self.epss_date)))
        found.append(Input("cve record", self.record_status or "not looked up", "cve5", iso(self.record_as_of)))
        return tuple(found)


@dataclass(frozen=True)
class ChosenScore:
    """The claim that counts, and what speaks against it in the other claims (kept, shown, not decisive)."""

    claim: ScoreClaim
    contradictions: tuple[str, ...] = field(default=())


_VERSIONS = ("4.0", "3.1", "3.0", "2.0")
_SCORERS = ("cna", "vendor", "adp", "nvd")


def choose_score(claims: Iterable[ScoreClaim]) -> ChosenScore | None:
    """The written precedence; None when no claim carries a usable score: unscored is a state, never zero.

    1. Who: the CNA that assigned the CVE, before the vendor of the fix, before CISA's ADP container,
       before other ADPs, before NVD.
    2. Which: 4.0 before 3.1 before 3.0 before 2.0.
    3. A vector before a bare score, since only a vector can be fitted to an asset. A vector that cannot be read does
       not count; a severity word without a score does not count.
    4. Where a source gives a score that its own vector does not give, the vector holds, and the contradiction is noted.
    """
    usable, contradictions = [], []
    for claim in claims:
        if claim.vector:
            try:
                computed = assess(without_environment(claim.vector)).base_score
            except BadVectorError as error:
                contradictions.append(f"{claim.source} gives a vector that cannot be read ({error.why})")
                continue
            if claim.base_score is not None and abs(computed - claim.base_score) >= 0.05:
                contradictions.append(
                    f"{claim.source} says {claim.base_score:.1f}, "
                    f"its own {claim.cvss_version} vector gives {computed:.1f}"
                )
        elif claim.base_score is None:
            continue
        usable.append(claim)
    if not usable:
        return None
    chosen = min(usable, key=_rank)
    return ChosenScore(chosen, tuple(contradictions))


def _rank(claim: ScoreClaim) -> tuple[int, bool, int, bool, float, str]:
    scorer, _, name = claim.source.partition(":")
    return (
        _SCORERS.index(scorer) if scorer in _SCORERS else len(_SCORERS),
        not name.upper().startswith("CISA") if scorer == "adp" else False,
        _VERSIONS.index(claim.cvss_version) if claim.cvss_version in _VERSIONS else len(_VERSIONS),
        not claim.vector,
        -(claim.base_score or 0.0),
        claim.vector,
    )
