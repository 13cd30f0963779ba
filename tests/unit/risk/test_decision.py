"""Decisions: every row of the table, the unscored state, raise rules, precedence and reasons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from suture.model import Criticality, Exposure, Priority
from suture.risk.cvss_scoring import REQUIREMENTS
from suture.risk.decision import AssetProfile, decide, decide_cve
from suture.risk.facts import CveFacts, ScoreClaim, choose_score
from suture.risk.policies import RiskPolicy
from suture.settings import PROJECT_ROOT

POLICY_DIR = PROJECT_ROOT / "include" / "policy"
DATED = datetime(2026, 9, 1, tzinfo=UTC)
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LOW = "CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:L"


@pytest.fixture(scope="module")
def policy() -> RiskPolicy:
    return RiskPolicy.load(POLICY_DIR)


def asset(criticality: str = "high", exposure: str = "open") -> AssetProfile:
    level = Criticality(criticality)
    return AssetProfile("web", level, Exposure(exposure), REQUIREMENTS[level])


def claim(vector: str = CRITICAL, source: str = "cna:redhat", score: float | None = None) -> ScoreClaim:
    version = vector.split("/")[0].removeprefix("CVSS:") if vector.startswith("CVSS") else "2.0"
    return ScoreClaim(source, version, vector, score, None, DATED)


def test_nothing_known_is_unscored_and_never_zero(policy: RiskPolicy) -> None:
    decision = decide([CveFacts("CVE-2026-123633", record_status="absent")], asset(), policy)
    assert (decision.scored, decision.score, decision.priority) == (False, None, policy.unscored_priority)
    assert decision.within == policy.unscored_deadline
    assert "no CVE record yet" in decision.sentence
    assert decide([], asset(), policy).score is None


def test_a_severity_word_alone_is_no_score() -> None:
    word = ScoreClaim("cna:openssl", "", "", None, "High", DATED)
    assert choose_score([word]) is None
    assert not CveFacts("CVE-1", (word,), record_status="found").is_scored
    assert not CveFacts("CVE-1", (claim("CVSS:3.1/AV:N"),)).is_scored
    assert CveFacts("CVE-1", (word, claim())).is_scored


def test_kev_is_active_exploitation_even_without_a_score(policy: RiskPolicy) -> None:
    facts = CveFacts("CVE-2023-44487", kev_added=date(2023, 10, 10), kev_due=date(2023, 10, 31), record_status="found")
    decision = decide([facts], asset("high", "open"), policy)
    assert (decision.priority, decision.score) == (Priority.IMMEDIATE, None)
    assert "2023-10-10" in decision.sentence
    sources = {found["name"]: found for found in decision.reasons()["inputs"]}
    assert (sources["exploitation"]["source"], sources["exploitation"]["as_of"]) == ("kev", "2023-10-10")
    assert sources["automatable"]["value"] == "unknown, taken as yes"


def test_epss_alone_is_no_exploitation(policy: RiskPolicy) -> None:
    facts = CveFacts("CVE-1", exploitation="none", automatable="no", epss=0.97, epss_date=date(2026, 11, 22))
    decision = decide_cve(facts, asset("low", "small"), policy)
    assert decision.inputs[0].value == "none"
    assert decision.priority is Priority.OUT_OF_CYCLE
    assert "EPSS" in decision.why


def test_raise_rules_raise_and_never_lower(policy: RiskPolicy) -> None:
    quiet = CveFacts("CVE-1", (claim(LOW),), exploitation="none", automatable="no")
    assert decide_cve(quiet, asset("low", "small"), policy).priority is Priority.DEFER
    loud = replace(quiet, scores=(claim(CRITICAL),))
    assert decide_cve(loud, asset("critical", "small"), policy).priority is Priority.OUT_OF_CYCLE
    active = replace(quiet, exploitation="active", automatable="yes")
    assert decide_cve(active, asset("critical", "open"), policy).priority is Priority.IMMEDIATE


def test_the_most_urgent_cve_decides_and_the_highest_score_is_kept(policy: RiskPolicy) -> None:
    quiet = CveFacts("CVE-1", (claim(CRITICAL),), exploitation="none", automatable="no")
    urgent = CveFacts("CVE-2", (claim(LOW),), exploitation="active", automatable="yes")
    decision = decide([quiet, urgent, CveFacts("CVE-3")], asset(), policy)
    assert decision.cves[0].cve_id == "CVE-2"
    assert decision.score == 9.8
    assert decision.reasons()["cves"][0]["cve_id"] == "CVE-2"


def test_precedence_of_scores() -> None:
    cna, cisa = claim(LOW, "cna:mitre"), claim(CRITICAL, "adp:CISA-ADP")
    other, nvd = claim(CRITICAL, "adp:redhat-SADP"), claim(CRITICAL, "nvd:nvd@nist.gov")
    picked = [choose_score(claims) for claims in ([nvd, other, cisa, cna], [nvd, other, cisa], [nvd, other], [nvd])]
    assert [found.claim.source for found in picked if found] == [cna.source, cisa.source, other.source, nvd.source]
    older = claim("AV:N/AC:L/Au:N/C:N/I:N/A:C", "cna:mitre")
    newest = claim("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N", "cna:mitre")
    chosen = choose_score([older, cna, newest])
    assert chosen is not None
    assert chosen.claim is newest


def test_a_score_that_its_vector_does_not_give_is_noted_and_the_vector_holds(policy: RiskPolicy) -> None:
    facts = CveFacts("CVE-1", (claim(CRITICAL, score=3.1),), exploitation="none", automatable="no")
    decision = decide_cve(facts, asset("medium"), policy)
    assert decision.score == 9.8
    assert [found.value for found in decision.inputs if found.name == "contradiction"] == [
        "cna:redhat says 3.1, its own 3.1 vector gives 9.8"
    ]


def test_an_unreadable_vector_does_not_count() -> None:
    broken = ScoreClaim("cna:x", "3.1", "CVSS:3.1/AV:N", 9.8, None, DATED)
    assert choose_score([broken]) is None
    chosen = choose_score([broken, claim(LOW, "adp:CISA-ADP")])
    assert chosen is not None
    assert chosen.claim.source == "adp:CISA-ADP"
    assert len(chosen.contradictions) == 1
