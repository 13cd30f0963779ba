"""Clocks: calendar months in the organisation's zone, PCI DSS 6.3.3 by version, the earliest holds and is named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.model import Criticality, Exposure
from suture.policy import PolicyError
from suture.risk.clocks import ClockTime, add_months, earliest, holder, severity_of
from suture.risk.cvss_scoring import REQUIREMENTS
from suture.risk.decision import AssetProfile, decide
from suture.risk.facts import CveFacts, ScoreClaim
from suture.risk.policies import RiskPolicy
from suture.settings import PROJECT_ROOT

POLICY_DIR = PROJECT_ROOT / "include" / "policy"
RELEASED = datetime(2026, 1, 31, 15, tzinfo=UTC)
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"  # 9.8
HIGH = "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H"  # 7.8
Edit = Callable[..., RiskPolicy]


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    def load(*changes: tuple[str, str]) -> RiskPolicy:
        for path in POLICY_DIR.glob("*.yaml"):
            (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
        text = (tmp_path / "sla.yaml").read_text("utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / "sla.yaml").write_text(text, "utf-8")
        return RiskPolicy.load(tmp_path)

    return load


def asset(group: str = "data", criticality: str = "medium") -> AssetProfile:
    level = Criticality(criticality)
    return AssetProfile(group, level, Exposure.CONTROLLED, REQUIREMENTS[level])


def scored(vector: str, **facts: object) -> CveFacts:
    claim = ScoreClaim("cna:debian", "3.1", vector, None, None, RELEASED)
    return CveFacts("CVE-2026-1", (claim,), exploitation="none", automatable="no", **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moment", "months", "zone", "expected"),
    [
        ("2026-01-31T12:00:00+00:00", 1, "UTC", "2026-02-28T12:00:00+00:00"),
        ("2028-01-31T12:00:00+00:00", 1, "UTC", "2028-02-29T12:00:00+00:00"),
        ("2026-12-15T00:00:00+00:00", 1, "UTC", "2027-01-15T00:00:00+00:00"),
        ("2026-03-30T12:00:00+00:00", 11, "UTC", "2027-02-28T12:00:00+00:00"),
        # 23:30 UTC on 31 January is 1 February in Vienna: the month ends a day later than it would in UTC.
        ("2026-01-31T23:30:00+00:00", 1, "Europe/Vienna", "2026-02-28T23:30:00+00:00"),
        ("2026-01-31T23:30:00+00:00", 1, "UTC", "2026-02-28T23:30:00+00:00"),
        ("2026-01-30T23:30:00+00:00", 1, "Europe/Vienna", "2026-02-27T23:30:00+00:00"),
        # The same wall time beyond the change to summer time is an hour less; 02:30 on that day does not exist.
        ("2026-03-01T12:00:00+01:00", 1, "Europe/Vienna", "2026-04-01T10:00:00+00:00"),
        ("2026-02-28T02:30:00+01:00", 1, "Europe/Vienna", "2026-03-28T01:30:00+00:00"),
        ("2026-02-28T01:30:00+00:00", 13, "Europe/Vienna", "2027-03-28T01:30:00+00:00"),
    ],
)
def test_a_month_is_a_calendar_month(moment: str, months: int, zone: str, expected: str) -> None:
    found = add_months(datetime.fromisoformat(moment), months, ZoneInfo(zone))
    assert found.isoformat() == expected


@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2090, 1, 1), timezones=st.just(UTC)),
    st.integers(1, 36),
    st.sampled_from(["UTC", "Europe/Vienna", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe"]),
)
def test_a_month_is_never_shorter_than_28_days_nor_longer_than_31(moment: datetime, months: int, zone: str) -> None:
    span = add_months(moment, months, ZoneInfo(zone)) - moment
    slack = timedelta(hours=25)  # zones move; Apia skipped a day
    assert timedelta(days=28) * months - slack <= span <= timedelta(days=31) * months + slack


def test_severity_by_score() -> None:
    assert [severity_of(score) for score in (0.0, 3.9, 4.0, 6.9, 7.0, 8.9, 9.0, 10.0)] == [
        "low", "low", "medium", "medium", "high", "high", "critical", "critical",
    ]  # fmt: skip


def test_pci_4_0_1_covers_critical_only(edited: Edit) -> None:
    policy = edited()
    critical = decide([scored(CRITICAL)], asset(), policy, released_at=RELEASED)
    (clock,) = [clock for clock in critical.clocks if clock.name.startswith("PCI")]
    assert (clock.name, clock.due_by) == ("PCI DSS 6.3.3 v4.0.1", datetime(2026, 2, 28, 15, tzinfo=UTC))
    assert "1 calendar month from release, for critical severity (2026-01-31)" in clock.why
    assert critical.due_by == clock.due_by
    high = decide([scored(HIGH)], asset(), policy, released_at=RELEASED)
    assert (high.score, high.due_by) == (7.8, None)
    assert decide([scored(CRITICAL)], asset("obs"), policy, released_at=RELEASED).due_by is None


def test_pci_4_0_covers_critical_and_high(edited: Edit) -> None:
    policy = edited(
        ("enabled: true", "enabled: false"),
        ("status: withdrawn\n    enabled: false", "status: withdrawn\n    enabled: true"),
        ("time_zone: UTC", "time_zone: Europe/Vienna"),
    )
    for vector in (CRITICAL, HIGH):
        found = decide([scored(vector)], asset(), policy, released_at=datetime(2026, 3, 1, 11, tzinfo=UTC))
        assert found.due_by == datetime(2026, 4, 1, 10, tzinfo=UTC)
    medium = scored("CVSS:3.1/AV:L/AC:H/PR:L/UI:N/S:U/C:L/I:L/A:L")
    assert decide([medium], asset(), policy, released_at=RELEASED).due_by is None


def test_what_has_no_score_may_be_the_worst(edited: Edit) -> None:
    policy = edited(("deadline_hours: 336", "deadline_hours: 2000"))
    for cves in ([CveFacts("CVE-2026-2", record_status="absent")], []):
        found = decide(cves, asset(), policy, released_at=RELEASED)
        assert (found.scored, found.due_by) == (False, datetime(2026, 2, 28, 15, tzinfo=UTC))
        assert "a severity that nobody knows yet" in next(c.why for c in found.clocks if c.name.startswith("PCI"))


def test_a_release_that_nobody_dated_is_counted_from_when_it_was_seen(edited: Edit) -> None:
    found = decide([scored(HIGH), scored(CRITICAL)], asset(), edited())
    (clock,) = [clock for clock in found.clocks if clock.name.startswith("PCI")]
    assert (clock.within, clock.due_by) == (timedelta(days=28), None)
    assert "not dated" in clock.why


def test_the_earliest_clock_holds_and_is_named(edited: Edit) -> None:
    policy = edited()
    facts = scored(CRITICAL, kev_added=date(2026, 2, 1), kev_due=date(2026, 2, 22))
    found = decide([facts], asset(), policy, released_at=RELEASED)
    seen = [
        (datetime(2026, 2, day, tzinfo=UTC), found.deadline(datetime(2026, 2, day, tzinfo=UTC))) for day in (2, 18, 25)
    ]
    names = [clock.name for _, (_, clock) in seen]
    # A week after the 2nd is the earliest; the catalogue's 22nd after the 18th; after the 25th it has passed, PCI's 28th holds.
    assert names == ["raised to out of cycle", "CISA's catalogue (KEV)", "PCI DSS 6.3.3 v4.0.1"]
    for _seen_at, (due, clock) in seen:
        assert holder(found.reasons()["clocks"], due) == f"{clock.name}: {clock.why}"
    assert found.due_dates == (datetime(2026, 2, 22, 23, 59, 59, tzinfo=UTC), datetime(2026, 2, 28, 15, tzinfo=UTC))


def test_a_moment_that_has_passed_leaves_the_others() -> None:
    span = ClockTime("span", timedelta(days=7), None, "")
    past = ClockTime("past", None, RELEASED, "")
    assert earliest([past, span], RELEASED) is span
    assert earliest([past, span], RELEASED - timedelta(hours=1)) is past


def test_the_proposed_hipaa_clocks_are_off_and_say_that_they_are_proposed_when_they_are_wanted(edited: Edit) -> None:
    assert not any("HIPAA" in clock.name for clock in edited().clocks)
    policy = edited(("status: proposed\n    enabled: false", "status: proposed\n    enabled: true"))
    found = decide([scored(CRITICAL)], asset(), policy, released_at=RELEASED)
    (clock,) = [clock for clock in found.clocks if "HIPAA" in clock.name]
    assert clock.deadline(RELEASED) == RELEASED + timedelta(days=15)
    assert "HIPAA Security Rule, critical vproposed 2025-01" in clock.name
    off = "version: proposed 2025-01\n    status: proposed\n    enabled: false"
    other = edited((off, 'version: "2025"\n    status: proposed\n    enabled: true'))
    assert "2025 (proposed)" in [clock.version for clock in other.clocks if "HIPAA" in clock.name]


@pytest.mark.parametrize(
    ("change", "mistake"),
    [
        (("severities: [critical, high]", "severities: [critical]"), "v4.0 also covers the severity high"),
        (("within: {months: 1}", "within: {months: 2}"), "gives one month from release at most"),
        (("within: {months: 1}", "within: {days: 29}"), "gives one month from release at most"),
        (("starts: release", "starts: seen"), "months are counted from release"),
        (('version: "4.0.1"', 'version: "3.2.1"'), "is known in the versions 4.0, 4.0.1"),
        (("time_zone: UTC", "time_zone: Mars/Olympus"), "there is no time zone 'Mars/Olympus'"),
        (("time_zone: UTC", "time_zone: ../../etc/passwd"), "there is no time zone"),
        (("asset_groups: [data]", "asset_groups: [dtaa]"), "'dtaa' names no asset group"),
        (("by_asset_group: {}", "by_asset_group: {edgy: bod_26_04}"), "no asset group 'edgy'"),
        (("compare: [bod_26_04]", "compare: [bod_99]"), "bod_99.yaml: cannot be read"),
        (("default: ssvc_deployer", "default: ../approvers"), "does not match"),
        (("within: {months: 1}", "within: {months: 1, days: 3}"), "too many properties"),
    ],
)
def test_a_clock_or_a_choice_that_cannot_be_is_refused_with_its_line(
    edited: Edit, change: tuple[str, str], mistake: str
) -> None:
    with pytest.raises(PolicyError) as caught:
        edited(change)
    found = [text for text in caught.value.mistakes if mistake in text]
    assert found, caught.value.mistakes
    assert found[0].split(":")[0] in ("sla.yaml", "bod_99.yaml")
