"""Threat intelligence on a real warehouse: what raises is told once, and nothing is lowered but by a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from suture.compliance.urgency import urgency_feed
from suture.errors import BadInputError
from suture.risk.urgency import release, watch_threats
from suture.risk.urgency_policy import UrgencyPolicy
from suture.store import Store
from tests.fleet_rows import NOW
from tests.unit.risk.acceptances import (
    EXPAT,
    NGINX,
    POLICY_DIR,
    add_fleet,
    add_kev,
    say_exploitation,
    score,
    set_epss,
)

pytestmark = pytest.mark.database
HOUR = timedelta(hours=1)
POLICY = UrgencyPolicy.load(POLICY_DIR)


@pytest.fixture
def fleet(store: Store) -> Store:
    """Scored, and looked at once."""
    add_fleet(store)
    set_epss(store, NGINX, 0.02)
    score(store)
    assert watch_threats(store, POLICY, now=NOW) == []  # the first look is a base
    return store


def look(store: Store, hours: int = 1) -> list[tuple[str, str]]:
    return [(change.cve_id, change.kind) for change in watch_threats(store, POLICY, now=NOW + hours * HOUR)]


def priorities(store: Store) -> dict[str, str]:
    rows = store.fetch_all("finding/list_findings")
    return {row["source_package"]: row["priority"] for row in rows if row["host_id"] == "app1"}


def test_an_unchanged_look_tells_nothing_and_writes_nothing(fleet: Store) -> None:
    def written() -> Any:
        return fleet._connection.execute("SELECT array_agg(xmin::text ORDER BY cve_id) AS rows FROM threat_state").fetchone()

    before = written()
    assert look(fleet) == look(fleet, 2) == []
    assert written() == before


def test_each_kind_of_change_is_told_once_with_reason_and_evidence(fleet: Store) -> None:
    add_kev(fleet, NGINX, NOW.date(), ransomware=True)
    say_exploitation(fleet, EXPAT, "poc")
    assert look(fleet) == [(NGINX, "kev_added"), (NGINX, "ransomware"), (EXPAT, "exploitation")]
    say_exploitation(fleet, EXPAT, "active")
    assert look(fleet, 2) == [(EXPAT, "exploitation")]
    assert look(fleet, 3) == []
    feed = urgency_feed(fleet)
    assert (feed[0]["before"], feed[0]["after"], feed[0]["findings"], feed[0]["hosts"]) == ("poc", "active", 3, 3)
    assert feed[-1]["reason"] == f"{NGINX} was added to CISA's catalogue of exploited vulnerabilities on 2026-11-23."
    records = [row["action"] for row in fleet.fetch_all("evidence/list_evidence", {"campaign_id": None})]
    assert records.count("urgency_raised") == 4


@pytest.mark.parametrize(
    ("value", "jumps"), [(0.03, False), (0.09, False), (0.1, True), (0.21, True), (0.22, True), (0.01, False)]
)
def test_an_epss_jump_is_what_policy_says(fleet: Store, value: float, jumps: bool) -> None:
    set_epss(fleet, NGINX, value)
    assert bool(look(fleet)) is jumps


def test_a_slow_climb_is_a_jump_at_last(fleet: Store) -> None:
    told = []
    for step in range(1, 12):
        set_epss(fleet, NGINX, 0.02 + 0.01 * step)
        told += look(fleet, step)
    assert told == [(NGINX, "epss_jump")]


def test_another_model_is_another_measure(fleet: Store) -> None:
    set_epss(fleet, NGINX, 0.6, model="v5")
    assert look(fleet) == []
    set_epss(fleet, NGINX, 0.9, model="v5")
    assert look(fleet, 2) == [(NGINX, "epss_jump")]


def test_a_cve_that_enters_epss_high_is_a_jump(fleet: Store) -> None:
    set_epss(fleet, EXPAT, 0.3)
    assert look(fleet) == [(EXPAT, "epss_jump")]


def test_nothing_falls_by_itself_and_a_replay_tells_nothing_twice(fleet: Store) -> None:
    """KEV entry gone, exploitation down, EPSS down: an older copy replayed, a truncated one, or a change of mind."""
    add_kev(fleet, NGINX, NOW.date())
    say_exploitation(fleet, EXPAT, "active")
    set_epss(fleet, NGINX, 0.8)
    assert len(look(fleet)) == 3
    score(fleet, NOW + HOUR)
    high = priorities(fleet)
    assert high == {"nginx": "out_of_cycle", "expat": "out_of_cycle"}
    fleet._connection.execute("DELETE FROM kev")
    fleet._connection.execute("DELETE FROM epss")
    say_exploitation(fleet, EXPAT, "none")
    assert look(fleet, 2) == []
    score(fleet, NOW + 2 * HOUR)  # with fresh feeds, that may lower
    assert priorities(fleet) == high
    finding = next(row for row in fleet.fetch_all("finding/list_findings") if row["source_package"] == "expat")
    assert any("held: the feed says less now" in found["source"] for found in finding["reasons"]["inputs"])
    add_kev(fleet, NGINX, NOW.date())
    say_exploitation(fleet, EXPAT, "active")
    set_epss(fleet, NGINX, 0.8)
    assert look(fleet, 3) == []


def test_what_is_held_stays_held_while_something_else_of_the_same_cve_is_news(fleet: Store) -> None:
    add_kev(fleet, NGINX, NOW.date())
    say_exploitation(fleet, NGINX, "active")
    look(fleet)
    score(fleet, NOW + HOUR)
    high = priorities(fleet)["nginx"]
    fleet._connection.execute("DELETE FROM kev")
    say_exploitation(fleet, NGINX, "none")
    set_epss(fleet, NGINX, 0.8)
    assert look(fleet, 2) == [(NGINX, "epss_jump")]
    held = fleet._connection.execute("SELECT kev_added, exploitation FROM threat_state WHERE cve_id = %s", (NGINX,)).fetchone()
    assert held == {"kev_added": NOW.date(), "exploitation": "active"}
    score(fleet, NOW + 2 * HOUR)
    assert priorities(fleet)["nginx"] == high


def test_only_a_person_lowers_with_a_reason(fleet: Store) -> None:
    say_exploitation(fleet, EXPAT, "active")
    look(fleet)
    say_exploitation(fleet, EXPAT, "none")
    score(fleet, NOW + HOUR)
    assert priorities(fleet)["expat"] == "out_of_cycle"
    with pytest.raises(BadInputError, match="reason"):
        release(fleet, EXPAT, actor="user:rosa", reason=" ", now=NOW)
    with pytest.raises(BadInputError, match="Nothing is held"):
        release(fleet, "CVE-1999-0001", actor="user:rosa", reason="a long enough reason", now=NOW)
    release(fleet, EXPAT, actor="user:rosa", reason="CISA took it back: a mix-up of ids.", now=NOW + 2 * HOUR)
    score(fleet, NOW + 3 * HOUR)
    assert priorities(fleet)["expat"] not in ("immediate", "out_of_cycle")
    (told, *_) = urgency_feed(fleet)
    assert (told["kind"], told["source"]) == ("released", "user:rosa")
    say_exploitation(fleet, EXPAT, "active")
    assert look(fleet, 4) == [(EXPAT, "exploitation")]


def test_a_change_cannot_be_edited(fleet: Store) -> None:
    add_kev(fleet, NGINX, NOW.date())
    look(fleet)
    for statement in ("UPDATE urgency_change SET reason = 'x'", "DELETE FROM urgency_change", "TRUNCATE urgency_change"):
        with pytest.raises(Exception, match="append-only"):
            fleet._connection.execute(statement)


def test_hostile_words_of_a_feed_are_data(fleet: Store) -> None:
    fleet._connection.execute(
        "UPDATE cve_ssvc SET exploitation = %s, source = %s WHERE cve_id = %s",
        ("ACTIVE'; DROP TABLE kev; --", "<script>{{ 7*7 }}</script>", EXPAT),
    )
    assert look(fleet) == []  # no word of the vocabulary: it says nothing
    say_exploitation(fleet, EXPAT, "active")
    assert look(fleet, 2) == [(EXPAT, "exploitation")]
    assert "<script>{{ 7*7 }}</script>" in urgency_feed(fleet)[0]["reason"]


def test_indicators_are_told_once_and_their_absence_is_borne(fleet: Store) -> None:
    """The table belongs to the STIX feed; without it there are no signals, and that is no error."""
    present = fleet._connection.execute("SELECT to_regclass('threat_signal') IS NOT NULL AS there").fetchone()
    if present is None or not present["there"]:
        assert look(fleet) == []
        fleet._connection.execute(
            "CREATE TABLE threat_signal (source text, signal_id text, kind text, cve_ids text[] DEFAULT '{}',"
            " valid_from timestamptz, valid_until timestamptz, revoked boolean DEFAULT FALSE)"
        )
    columns = ["source", "signal_id", "kind", "cve_ids", "valid_from", "valid_until", "revoked"]
    rows = [
        ("stix", "indicator--1", "indicator", [NGINX, EXPAT], NOW, None, False),
        ("stix", "indicator--2", "indicator", [NGINX], NOW, NOW + HOUR, False),  # over at the second look
        ("stix", "indicator--3", "indicator", [NGINX], NOW, None, True),  # revoked
        ("stix", "sighting--4", "sighting", [NGINX], NOW, NOW, False),
        ("stix", "vulnerability--5", "vulnerability", [NGINX], None, None, False),
    ]
    fleet.copy_rows("threat_signal", columns, rows)
    assert look(fleet, 2) == [(NGINX, "indicator"), (NGINX, "indicator"), (EXPAT, "indicator")]
    fleet._connection.execute("UPDATE threat_signal SET revoked = TRUE")
    assert look(fleet, 3) == []
    fleet._connection.execute("UPDATE threat_signal SET revoked = FALSE WHERE signal_id <> 'indicator--3'")
    assert look(fleet, 4) == []
