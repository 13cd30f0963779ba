"""The gate of mirrored staging, with measurements and replays of a simulated fleet in a real warehouse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from suture.campaign import Campaign, fetch_campaign
from suture.errors import BadInputError
from suture.evidence import verify_rows
from suture.runner.simulator import Fault, FleetSimulator
from suture.settings import Settings
from suture.staging import gate, traffic
from suture.staging.parity import NotComparableError, Parity, ParityError
from suture.staging.snapshot import SnapshotChangedError
from suture.staging.traffic import AFTER, BEFORE, TrafficWorseError, replay_stage
from suture.staging.traffic_replay import TrafficError
from suture.staging.waiver import WaiverError, WaiverMissingError, grant, unmirrored
from suture.store import Store
from tests.unit.staging.mirrored import (
    CAMPAIGN,
    EDGE,
    FLOW,
    Entry,
    Offered,
    Published,
    add_campaign,
    ignore_time,
    make_fleet,
    now,
    write_inventory,
)

pytestmark = pytest.mark.database


@pytest.fixture
def fleet() -> FleetSimulator:
    return make_fleet()


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Entry:
    made = Entry()
    monkeypatch.setattr(traffic, "tunnel", made.tunnel)
    ignore_time(monkeypatch)
    return made


@pytest.fixture
def mirrored(settings: Settings) -> Settings:
    write_inventory(settings.inventory_path)
    return settings


@pytest.fixture
def campaign(store: Store) -> Campaign:
    return add_campaign(store)


@pytest.fixture
def measure(
    store: Store, mirrored: Settings, fleet: FleetSimulator, published: Published, campaign: Campaign
) -> Callable[[], Parity]:
    return lambda: gate.measure_campaign(
        store, fleet, mirrored, campaign, snapshot=published.snapshot, offered=published.packages, now=now
    )


@pytest.fixture
def counted(
    store: Store, mirrored: Settings, published: Published, campaign: Campaign
) -> Callable[[], dict[str, Any]]:
    return lambda: gate.require_counted(
        store,
        mirrored,
        fetch_campaign(store, campaign.campaign_id),
        snapshot=published.snapshot,
        offered=published.packages,
    )


@pytest.fixture
def replay(
    store: Store, mirrored: Settings, fleet: FleetSimulator, entry: Entry, campaign: Campaign
) -> Callable[[str], Any]:
    assert entry is not None
    return lambda stage: replay_stage(store, fleet, mirrored, campaign, stage)


def actions(store: Store, campaign_id: str = CAMPAIGN) -> list[str]:
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": campaign_id})
    return [row["action"] for row in rows]


def test_measured_and_replayed_tests_count_and_the_record_says_what_they_rest_on(
    store: Store, measure: Callable[[], Parity], replay: Callable[[str], Any], counted: Callable[[], dict[str, Any]],
    entry: Entry,
) -> None:  # fmt: skip
    assert measure().require_passed().score == 100
    assert replay(BEFORE).require_passed().requests == 80
    assert replay(AFTER).require_passed().requests == 80
    assert len(entry.asked) == 160
    found = counted()
    assert found["parity"] == 100
    assert found["replayed"] == {BEFORE: 80, AFTER: 80}
    assert found["snapshot"] == "s-1"
    assert actions(store)[-3:] == ["parity_passed", "traffic_replayed", "traffic_replayed"]
    assert verify_rows(store.fetch_all("evidence/list_evidence", {"campaign_id": None})) == []


def test_without_a_measurement_nothing_counts(counted: Callable[[], dict[str, Any]]) -> None:
    with pytest.raises(ParityError, match="was not measured") as refused:
        counted()
    assert "measure_parity" in str(refused.value.remedy)


def test_a_measurement_of_another_plan_does_not_count(
    store: Store, measure: Callable[[], Parity], replay: Callable[[str], Any], mirrored: Settings, published: Published,
    campaign: Campaign,
) -> None:  # fmt: skip
    measure()
    replay(BEFORE)
    replay(AFTER)
    for other in (replace(campaign, plan_hash="b" * 64),):
        assert gate.held_snapshot(store, other) is None
        with pytest.raises(ParityError, match="as it is planned now"):
            gate.require_counted(store, mirrored, other, snapshot=published.snapshot, offered=published.packages)


@pytest.mark.parametrize("broken", ["flow", "version", "foreign", "file"])
def test_a_failed_measurement_is_kept_and_does_not_count(
    store: Store, fleet: FleetSimulator, measure: Callable[[], Parity], counted: Callable[[], dict[str, Any]],
    campaign: Campaign, broken: str,
) -> None:  # fmt: skip
    host = fleet.fleet["stg-app1"]
    if broken == "flow":
        host.cut_off = {FLOW}
    elif broken == "version":
        host.packages["acme-portal"] = "0.9.0"
    elif broken == "foreign":
        host.foreign = [{"host": "db1", "port": 5432, "owner": "acme-portal.service"}]
    else:
        host.files = {"/etc/acme-portal/portal.conf": "0644 root:root 22"}
    found = measure()
    assert not found.passed
    with pytest.raises(ParityError):
        found.require_passed()
    with pytest.raises(ParityError, match="do not count"):
        counted()
    assert gate.why_not(store, campaign) == found.sentence
    assert actions(store)[-1] == "parity_failed"


def test_the_last_measurement_counts_whichever_way_it_went(
    fleet: FleetSimulator, measure: Callable[[], Parity], replay: Callable[[str], Any],
    counted: Callable[[], dict[str, Any]],
) -> None:  # fmt: skip
    measure()
    replay(BEFORE)
    replay(AFTER)
    fleet.fleet["stg-app1"].cut_off = {FLOW}
    measure()
    with pytest.raises(ParityError, match="do not count"):
        counted()
    fleet.fleet["stg-app1"].cut_off = set()
    measure()
    assert counted()["parity"] == 100


def test_a_host_that_is_gone_is_not_alike_and_may_be_asked_again(
    fleet: FleetSimulator, measure: Callable[[], Parity], counted: Callable[[], dict[str, Any]]
) -> None:
    fleet.fleet["app2"].faults.add(Fault.GONE)
    with pytest.raises(NotComparableError) as error:
        measure().require_passed()
    assert error.value.retryable
    with pytest.raises(ParityError, match="app2"):
        counted()


def test_a_missing_replay_does_not_count(
    measure: Callable[[], Parity], replay: Callable[[str], Any], counted: Callable[[], dict[str, Any]]
) -> None:
    measure()
    replay(BEFORE)
    with pytest.raises(TrafficError, match="No replay after the patch"):
        counted()


def test_a_replay_that_answers_worse_does_not_count(
    store: Store, measure: Callable[[], Parity], replay: Callable[[str], Any], counted: Callable[[], dict[str, Any]],
    entry: Entry, campaign: Campaign,
) -> None:  # fmt: skip
    measure()
    replay(BEFORE)
    entry.status = 500
    with pytest.raises(TrafficWorseError):
        replay(AFTER).require_passed()
    with pytest.raises(TrafficError):
        counted()
    assert "5xx" in str(gate.why_not(store, campaign)) or "worse" in str(gate.why_not(store, campaign))


def test_other_files_on_offer_than_were_tested_are_refused(
    measure: Callable[[], Parity], replay: Callable[[str], Any], counted: Callable[[], dict[str, Any]],
    published: Published,
) -> None:  # fmt: skip
    measure()
    replay(BEFORE)
    replay(AFTER)
    published.packages.append(Offered("other", "1", "amd64", "c" * 64))
    with pytest.raises(SnapshotChangedError, match="never changes"):
        counted()
    published.snapshot = "s-2"  # a newer one, with the planned file as it was
    assert "the same 1 files" in counted()["snapshot_check"]
    published.packages[0] = Offered(sha256="d" * 64)
    with pytest.raises(SnapshotChangedError):
        counted()


# -- groups without a mirror ---------------------------------------------------------------------------------------


def edge_counted(store: Store, settings: Settings, published: Published) -> dict[str, Any]:
    return gate.require_counted(
        store, settings, fetch_campaign(store, EDGE), snapshot=published.snapshot, offered=published.packages
    )


def test_a_group_without_a_mirror_goes_on_with_a_waiver_of_exactly_this_plan(
    store: Store, mirrored: Settings, published: Published
) -> None:
    edge = add_campaign(store, EDGE, group="edge")
    with pytest.raises(WaiverMissingError, match="nobody has waived them") as missing:
        gate.is_waived(store, mirrored, edge)
    assert "parity_waiver" in str(missing.value.remedy)
    offer = {"snapshot": published.snapshot, "offered": published.packages}
    with pytest.raises(WaiverMissingError):
        gate.write_waived(store, mirrored, edge, **offer, now=now)
    with pytest.raises(ParityError, match="was not measured"):
        edge_counted(store, mirrored, published)

    grant(store, mirrored, edge, who="vera", reason="a second balancer  is on order", at=now())
    grant(store, mirrored, edge, who="vera", reason="told twice", at=now())
    with pytest.raises(WaiverError, match="waived before, by vera"):
        grant(store, mirrored, edge, who="amir", reason="me too", at=now())
    with pytest.raises(ParityError, match="was not measured"):  # the waiver alone is no record of what staging held
        edge_counted(store, mirrored, published)
    assert "Waived by vera: a second balancer is on order" in gate.write_waived(
        store, mirrored, edge, **offer, now=now
    )
    found = edge_counted(store, mirrored, published)
    assert (found["tested_on_staging"], found["waived_by"]) == (False, "vera")
    assert actions(store, EDGE)[-2:] == ["parity_waived", "staging_left_out"]
    with pytest.raises(WaiverMissingError):
        gate.is_waived(store, mirrored, replace(edge, plan_hash="b" * 64))


@pytest.mark.parametrize(
    ("who", "reason", "error"),
    [
        ("olga", "mine", WaiverError),  # its requester
        ("mallory", "no", WaiverError),
        (None, "nobody", WaiverError),
        ("vera", "  ", BadInputError),
    ],
)
def test_who_may_not_waive_changes_nothing(
    store: Store, mirrored: Settings, who: str | None, reason: str, error: type[Exception]
) -> None:
    edge = add_campaign(store, EDGE, group="edge")
    before = actions(store, EDGE)
    with pytest.raises(error):
        grant(store, mirrored, edge, who=who, reason=reason, at=now())
    assert actions(store, EDGE) == before
    with pytest.raises(WaiverMissingError):
        gate.is_waived(store, mirrored, edge)


def test_a_mirrored_group_cannot_be_waived(store: Store, mirrored: Settings, campaign: Campaign) -> None:
    assert unmirrored(mirrored, "web") is None
    assert not gate.is_waived(store, mirrored, campaign)
    with pytest.raises(WaiverError, match="has staging hosts"):
        grant(store, mirrored, campaign, who="vera", reason="in a hurry", at=now())
    with pytest.raises(BadInputError, match="measured, not waived"):
        gate.write_waived(store, mirrored, campaign, snapshot="s-1", offered=[Offered()], now=now)


def test_a_group_of_which_policy_says_nothing_is_refused(
    store: Store, mirrored: Settings, published: Published, tmp_path: Any
) -> None:
    folder = tmp_path / "policy"
    folder.mkdir()
    for file in mirrored.policy_dir.glob("*.yaml"):
        text = file.read_text("utf-8")
        if file.name == "parity.yaml":
            text = text.replace("asset_group: edge", "asset_group: elsewhere")
        (folder / file.name).write_text(text, "utf-8")
    silent = replace(mirrored, policy_dir=folder)
    edge = add_campaign(store, EDGE, group="edge")
    for call in (
        lambda: gate.is_waived(store, silent, edge),
        lambda: edge_counted(store, silent, published),
        lambda: grant(store, silent, edge, who="vera", reason="please", at=now()),
    ):
        with pytest.raises(ParityError, match="does not say that it needs none"):
            call()


def test_a_person_whom_policy_names_no_more_no_longer_waives(
    store: Store, mirrored: Settings, published: Published, tmp_path: Any
) -> None:
    edge = add_campaign(store, EDGE, group="edge")
    grant(store, mirrored, edge, who="vera", reason="once allowed", at=now())
    gate.write_waived(store, mirrored, edge, snapshot="s-1", offered=published.packages, now=now)
    folder = tmp_path / "policy"
    folder.mkdir()
    for file in mirrored.policy_dir.glob("*.yaml"):
        text = file.read_text("utf-8").replace("waivers: [amir, vera]", "waivers: [amir]")
        (folder / file.name).write_text(text, "utf-8")
    with pytest.raises(WaiverMissingError, match="vera, who waived them, may not do so any more"):
        edge_counted(store, replace(mirrored, policy_dir=folder), published)


def test_a_waived_record_can_never_say_passed(store: Store, mirrored: Settings, published: Published) -> None:
    edge = add_campaign(store, EDGE, group="edge")
    grant(store, mirrored, edge, who="vera", reason="reason", at=now())
    gate.write_waived(store, mirrored, edge, snapshot="s-1", offered=published.packages, now=now)
    with pytest.raises(psycopg.errors.CheckViolation):
        store._connection.execute("UPDATE parity_run SET passed = true")
