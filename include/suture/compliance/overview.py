"""What the pages and the command show: where every campaign stands, why, and what comes next. Reads, never writes."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from suture.campaign import CampaignState, fetch_campaign
from suture.campaign.guidance import dag_of, next_step, waits_for_people
from suture.campaign.lifecycle import MEANING
from suture.compliance.document import as_json, campaign_document, source_state
from suture.compliance.dossier import gather
from suture.compliance.report import known_anchors
from suture.evidence import EvidenceKeyError
from suture.model import Ring
from suture.settings import Settings
from suture.store import Store, parity

STALE_FEED_AFTER = timedelta(hours=24)
NAMES_SHOWN, CAMPAIGNS_SHOWN, ROWS_SHOWN = 20, 200, 50
LONG_PARTS = ("hosts", "backups", "tests", "exceptions", "timeline")  # of a campaign's document: as long as its fleet
# Where hosts are left out, those of these statuses stand first.
LOOK_FIRST = ("failed", "behind", "unverified", "unknown")
OVER = (CampaignState.CLOSED, CampaignState.ROLLED_BACK, CampaignState.SUPERSEDED)
ROLLBACK_FROM = (CampaignState.CLOSED, CampaignState.VERIFIED, CampaignState.HALTED)
Json = dict[str, Any]


def overview(store: Store, settings: Settings, *, now: datetime) -> Json:
    """Campaigns with reason and next step (those that wait for people first, then the newest), the feeds' ages, the hosts, the
    evidence's head and newest anchor.

    Counted by the warehouse, never host by host; open findings are risk_overview's. Names and campaigns are cut to the first.
    """
    campaigns = [{**row, "overdue": _overdue(row, now)} for row in campaign_list(store)]
    campaigns.sort(key=lambda row: not row["waits_for_people"])  # otherwise the newest first, as they came
    hosts = store.fetch_one("host/summarise_hosts", {"names": NAMES_SHOWN})
    assert hosts is not None
    head = store.fetch_one("evidence/fetch_evidence_head")
    found: Json = as_json(
        {
            "campaigns": campaigns[:CAMPAIGNS_SHOWN],
            "campaigns_in_all": len(campaigns),
            "states": dict(Counter(campaign["state"] for campaign in campaigns)),
            "waiting": sum(campaign["waits_for_people"] for campaign in campaigns),
            "overdue": sum(campaign["overdue"] for campaign in campaigns),
            "feeds": feeds(store, now=now),
            "hosts": hosts,
            "incidents": store.fetch_all("report/list_report_incidents", {"campaign_id": None}),
            "evidence": {**(head or {"seq": 0, "hash": None}), **_anchor(settings)},
        }
    )
    return found


def campaign_list(store: Store, state: str | None = None) -> list[Json]:
    """Every campaign (of a state), newest first, with what its state means and what comes next."""
    rows = store.fetch_all("campaign/list_campaigns", {"state": state})
    return [{**row, **_guidance(CampaignState(row["state"]), row["state_reason"])} for row in reversed(rows)]


def campaign_view(
    store: Store, settings: Settings, campaign_id: str, *, now: datetime, page: bool = False
) -> Json:
    """One campaign's whole document, its next step and its reports.

    page: at most ROWS_SHOWN rows of each long part (`shortened`), and only the newest evidence is checked (dossier.gather).

    Raises LifecycleError when there is none.
    """
    try:
        anchors = known_anchors(settings)
    except EvidenceKeyError:
        anchors = []  # `evidence verify` is where this is said; the page must still open
    document = campaign_document(
        gather(store, campaign_id, anchors=anchors, whole_chain=not page),
        now=now,
        instance=settings.instance,
        cut=shortened if page else None,
    )
    reports = store.fetch_all("report/list_reports", {"campaign_id": campaign_id})
    campaign = document["campaign"]
    guidance = _guidance(CampaignState(campaign["state"]), campaign["state_reason"])
    return {**document, "next": guidance, "reports": as_json(reports), "staging": _staging(store, campaign_id)}


def shortened(document: Json, *, most: int = ROWS_SHOWN) -> Json:
    """The document for a page: at most so many rows of each long part, and `left_out` ({part: how many}; only what is cut).

    Hosts that want a look come first, of the timeline the newest stay; `exception_kinds` counts all exceptions by kind. Reports
    are never shortened.
    """
    cut: Json = {name: document[name][:most] for name in LONG_PARTS}
    if len(document["hosts"]) > most:
        rank = {status: place for place, status in enumerate(LOOK_FIRST)}
        ordered = sorted(document["hosts"], key=lambda host: rank.get(host["status"], len(rank)))
        cut["hosts"] = ordered[:most]
    cut["timeline"] = document["timeline"][-most:]
    left = {name: len(document[name]) - most for name in LONG_PARTS if len(document[name]) > most}
    kinds = Counter(row["kind"] for row in document["exceptions"])
    return {**document, **cut, "left_out": left, "exception_kinds": dict(kinds)}


def blast_radius(store: Store, campaign_id: str, *, most: int | None = None) -> Json:
    """What a rollback of this campaign would touch: production hosts (staging is never fenced), each with its packages,
    the versions to go back to, and what has no way back. `by_host` holds the first `most` hosts (None: all), those without a backup
    on record first, then those with a package that has no way back.

    Reads only what it shows: it is opened at night, and not for the report. Raises LifecycleError when there is none.
    """
    campaign = fetch_campaign(store, campaign_id)
    one = {"campaign_id": campaign_id}
    changes = [row for row in store.fetch_all("report/list_version_changes", one) if row["ring"] != Ring.STAGING]
    touched = [row for row in changes if not row["restored"]]
    by_host: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in touched:
        by_host[row["host_id"]].append(row)
    backups: dict[str, Json] = {
        row["host_id"]: as_json(row) for row in store.fetch_all("report/list_report_backups", one)
    }
    hosts = sorted(
        by_host, key=lambda host: (host in backups, all(row["before"] is not None for row in by_host[host]), host)
    )
    return {
        "campaign": {
            "campaign_id": campaign.campaign_id,
            "title": campaign.title,
            "state": campaign.state.value,
            "state_reason": campaign.state_reason,
        },
        "next": _guidance(campaign.state, campaign.state_reason),
        "can_start": campaign.state in ROLLBACK_FROM and bool(touched),
        "hosts": hosts,
        "hosts_in_campaign": len(campaign.plan.production_hosts),
        "changes": touched,
        "by_host": [
            {
                "host_id": host,
                "changes": by_host[host],
                "backup": backups.get(host),
            }
            for host in hosts[:most]
        ],
        "already_back": [row for row in changes if row["restored"]],
        "without_backup": [host for host in hosts if host not in backups],
        "no_way_back": [row for row in touched if row["before"] is None],
    }


def feeds(store: Store, *, now: datetime, stale_after: timedelta = STALE_FEED_AFTER) -> list[Json]:
    """Each feed with the age of its data. stale: older than allowed, never good, or its last try failed.

    A dated snapshot is as old as it says, on purpose; it is stale only when it was not read in time.
    """
    return [_feed(row, now, stale_after) for row in store.fetch_all("report/list_report_sources")]


def visible(text: str) -> str:
    """Text for a terminal: control and invisible characters (escape sequences, bidirectional marks) made visible."""
    return "".join(
        character
        if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else f"\\u{ord(character):04x}"
        for character in text
    )


def _staging(store: Store, campaign_id: str) -> Json:
    """Its last parity measurement (None: never measured) and every replay of production's requests."""
    found: Json = as_json(
        {"parity": parity.latest_parity(store, campaign_id), "replays": parity.list_replays(store, campaign_id)}
    )
    measured = found["parity"]
    if measured is not None:
        differences = measured["result"]["differences"]
        found["left_out"] = max(0, len(differences) - ROWS_SHOWN)
        measured["result"]["differences"] = differences[:ROWS_SHOWN]  # hard ones stand first
    return found


def _feed(row: Mapping[str, Any], now: datetime, stale_after: timedelta) -> Json:
    why = _stale(row, now, stale_after)
    found: Json = as_json({**source_state(row, now), "stale": why is not None, "stale_why": why})
    return found


def _stale(row: Mapping[str, Any], now: datetime, stale_after: timedelta) -> str | None:
    """Why this feed must not be relied on, as a sentence; None while it may."""
    if row["status"] not in ("accepted", "unchanged"):
        tail = f": {row['reason']}" if row["reason"] else ""
        return f"its last try at {row['fetched_at']:%Y-%m-%d %H:%M} UTC was {row['status']}{tail}.".replace("..", ".")
    read: datetime | None = row["good_fetched_at"]
    if read is None:
        return "it was never read well."
    if now - read > stale_after:
        return f"it was last read well at {read:%Y-%m-%d %H:%M} UTC."
    # An archive is silent while there is nothing to mend, and its signature's own end is checked whenever it is read.
    undated = row["dated_snapshot"] or row["data_date"] is None or row["source"].startswith("archive:")
    if not undated and now - row["data_date"] > stale_after + timedelta(hours=24):
        return f"its data is of {row['data_date']:%Y-%m-%d %H:%M} UTC."
    return None


def _guidance(state: CampaignState, reason: str) -> Json:
    return {
        "state_meaning": MEANING[state],
        "next_step": next_step(state, reason),
        "dag_id": dag_of(state, reason),
        "waits_for_people": waits_for_people(state, reason),
    }


def _overdue(campaign: Mapping[str, Any], now: datetime) -> bool:
    """Whether a campaign that is not over is past its deadline."""
    deadline: datetime | None = campaign["deadline"]
    return campaign["state"] not in OVER and deadline is not None and deadline < now


def _anchor(settings: Settings) -> Json:
    """The newest anchor's number, or why it cannot be trusted."""
    try:
        anchors: Sequence[Any] = known_anchors(settings)
    except EvidenceKeyError as error:
        return {"anchored_seq": None, "anchor_fault": str(error)}
    return {"anchored_seq": anchors[-1].seq if anchors else None, "anchor_fault": None}
