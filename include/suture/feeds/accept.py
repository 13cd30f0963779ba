"""Taking a decoded copy into the warehouse, or refusing it.

The rules, in the order in which they are checked:

1. A copy with the content of the one accepted last is unchanged: nothing is written.
2. A copy that says it is older than the one accepted last is a replay and refused; so is a whole feed's copy that had been
   accepted before the last one, unless a person loaded that one. One from the future is quarantined; so is one older than
   policy allows. A single record older than the one we have is left out.
3. The suites are run. A fault of the whole copy quarantines it; a faulty record is left out and kept in the quarantine.
   What then remains must still reach the floor.
4. All of it is written in one transaction, with its snapshot and evidence: a copy is in whole or not at all.
5. A KEV entry that a newer copy no longer names stays until a person removes it: a feed can lower no urgency by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from suture import evidence
from suture.feeds import quality, staging
from suture.feeds.decoded import Decoded, Rejected, Row
from suture.feeds.outcome import FeedOutcome, FeedStatus
from suture.store import Json, Store

_ROWS_AT_ONCE = 5000
_CLOCK_TOLERANCE = timedelta(days=1)
_WRITE_ORDER = (
    "advisory", "advisory_cve", "advisory_package", "advisory_range", "advisory_alias", "advisory_revision",
    "vex_statement", "threat_signal", "notice",
)  # fmt: skip
_CHILDREN = ("advisory_cve", "advisory_package", "advisory_range", "advisory_alias")
# What an earlier copy said and this one says no more, by the columns that feed/prune_<table> compares.
_PRUNED = {
    "advisory": ("advisory_id",),
    "advisory_range": ("advisory_id", "range_key"),
    "vex_statement": ("statement_key", "document_id", "dated_at"),
}


@dataclass(frozen=True)
class Copy:
    """A decoded copy with where it came from. main_table: the one whose rows are counted. scorers: whose CVSS claims it
    replaces (cna, adp, nvd, vendor). note: what to say although it is accepted; lookups: answers for single CVEs.
    guard: the source's own schema and suite; origins: record id → the file that it is from, where there are several."""

    source: str
    url: str
    decoded: Decoded
    sha256: str
    main_table: str
    scorers: tuple[str, ...] = ()
    etag: str | None = None
    last_modified: str | None = None
    dated_snapshot: date | None = None
    floor: int = 0
    max_data_age: timedelta | None = None
    note: str | None = None
    lookups: Sequence[Row] = field(default=())
    guard: quality.Guard | None = None
    origins: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False  # it holds everything that the feed says


def accept(
    store: Store, copy: Copy, *, now: datetime, actor: str, check: quality.Checker = quality.check
) -> FeedOutcome:
    """Take the copy in or refuse it; either way a snapshot says so. Raises StoreError, ExpectationsError."""
    last = store.fetch_one("feed/fetch_accepted_snapshot", {"source": copy.source})
    if last is not None and last["content_sha256"] == copy.sha256:
        return conclude(store, copy, FeedStatus.UNCHANGED, None, now=now, actor=actor)
    refused = _dates_refused(copy, last, now) or _seen_before(store, copy, last)
    if refused is not None:
        return conclude(store, copy, refused[0], refused[1], now=now, actor=actor)
    verdict = check(copy.decoded.tables, now=now, floor=copy.floor, main_table=copy.main_table, guard=copy.guard)
    if verdict.feed_faults:
        return conclude(store, copy, FeedStatus.QUARANTINED, "; ".join(verdict.feed_faults), now=now, actor=actor)
    tables, left_out = _sorted_out(store, copy, verdict)
    kept = len(tables[copy.main_table])
    offered = max(copy.decoded.records, len(copy.decoded.tables[copy.main_table]))
    if kept < copy.floor or (offered and not kept):
        first = f": {left_out[0].reason}" if left_out and not kept else ""
        reason = f"only {kept} of {offered} records are fit for use, expected at least {max(copy.floor, 1)}{first}"
        return conclude(store, copy, FeedStatus.QUARANTINED, reason, left_out, now=now, actor=actor)
    with store.transaction():
        snapshot_id = _write_snapshot(store, copy, FeedStatus.ACCEPTED, copy.note, kept, len(left_out), now)
        left_out += _missing_kev(store, tables, left_out)
        _write_tables(store, copy, tables, snapshot_id, now)
        _write_quarantine(store, copy.source, snapshot_id, left_out, now)
        _write_lookups(store, copy, snapshot_id, now)
        outcome = _outcome(copy, FeedStatus.ACCEPTED, copy.note, kept, len(left_out))
        _record(store, outcome, copy, actor, now)
    return outcome


def conclude(
    store: Store,
    copy: Copy,
    status: FeedStatus,
    reason: str | None,
    left_out: Sequence[Rejected] = (),
    *,
    now: datetime,
    actor: str,
) -> FeedOutcome:
    """Write down how a sync ended that changes no data."""
    quarantined = list(left_out)
    if status is FeedStatus.QUARANTINED and not quarantined:
        quarantined = [Rejected("*", reason or "", {"url": copy.url, "sha256": copy.sha256})]
    with store.transaction():
        snapshot_id = _write_snapshot(store, copy, status, reason, copy.decoded.records, len(quarantined), now)
        _write_quarantine(store, copy.source, snapshot_id, quarantined, now)
        _write_lookups(store, copy, snapshot_id, now)
        outcome = _outcome(copy, status, reason, copy.decoded.records, len(quarantined))
        if status is not FeedStatus.UNCHANGED:
            _record(store, outcome, copy, actor, now)
    return outcome


def _dates_refused(copy: Copy, last: Mapping[str, Any] | None, now: datetime) -> tuple[FeedStatus, str] | None:
    data_date = copy.decoded.data_date
    if data_date is None:
        return None
    if last is not None and last["data_date"] is not None and data_date < last["data_date"]:
        return (
            FeedStatus.REPLAYED,
            f"the copy is of {data_date:%Y-%m-%d %H:%M} UTC, "
            f"the one accepted before of {last['data_date']:%Y-%m-%d %H:%M}",
        )
    if data_date > now + _CLOCK_TOLERANCE:
        return FeedStatus.QUARANTINED, f"it is dated {data_date:%Y-%m-%d %H:%M} UTC, which lies in the future"
    if copy.max_data_age is not None and now - data_date > copy.max_data_age:
        hours = copy.max_data_age.total_seconds() / 3600
        return FeedStatus.QUARANTINED, f"it is dated {data_date:%Y-%m-%d}, older than the {hours:.0f} hours allowed"
    return None


def _seen_before(store: Store, copy: Copy, last: Mapping[str, Any] | None) -> tuple[FeedStatus, str] | None:
    """The copy that stands is another one: that was checked before. One that a person loaded since may be older than it: what
    the source itself says then counts."""
    by_hand = last is not None and last["url"].startswith("file:") and not copy.url.startswith("file:")
    if not copy.complete or by_hand:
        return None
    known = store.fetch_one("feed/find_earlier_copy", {"source": copy.source, "content_sha256": copy.sha256})
    if known is None or known["fetched_at"] is None:
        return None
    return FeedStatus.REPLAYED, (
        f"the copy is the one of {known['fetched_at']:%Y-%m-%d %H:%M} UTC, and a newer one was accepted since; if it is to stand "
        "again, load it from a file with a line break added"
    )


def _sorted_out(store: Store, copy: Copy, verdict: quality.Verdict) -> tuple[dict[str, list[Row]], list[Rejected]]:
    """The rows that pass, and what is left out: by the decoder, by the suites, for being older than what we have."""
    bad = {name: "; ".join(dict.fromkeys(reasons)) for name, reasons in verdict.bad_records.items()}
    older = _older_records(store, copy) | _older_advisories(store, copy)
    tables = {
        table: [row for row in rows if row["record_id"] not in bad and row["record_id"] not in older]
        for table, rows in copy.decoded.tables.items()
    }
    if "advisory" in tables:
        known = {row["advisory_id"] for row in tables["advisory"]}
        for child in _CHILDREN:
            tables[child] = [row for row in tables.get(child, []) if row["advisory_id"] in known]
    first = {row["record_id"]: row for rows in copy.decoded.tables.values() for row in reversed(rows)}
    left_out = [*copy.decoded.rejected]
    for name, reason in (*bad.items(), *older.items()):
        place = copy.origins.get(name, copy.source)
        left_out.append(Rejected(name, f"{place}, {name[:80]}: {reason}", first.get(name, {})))
    return tables, left_out


def _older_records(store: Store, copy: Copy) -> dict[str, str]:
    rows = copy.decoded.tables.get("cve", [])
    if not rows:
        return {}
    known = store.fetch_all(
        "feed/list_cve_dates", {"cve_ids": [row["cve_id"] for row in rows], "source": rows[0]["source"]}
    )
    dates = {row["cve_id"]: row["modified_at"] for row in known}
    older = {}
    for row in rows:
        before = dates.get(row["cve_id"])
        if before is None or row["modified_at"] is None:
            continue
        if datetime.fromisoformat(row["modified_at"]) < before:
            older[row["record_id"]] = (
                f"a copy of {row['modified_at']}, older than the record we have ({before.isoformat()})"
            )
    return older


def _older_advisories(store: Store, copy: Copy) -> dict[str, str]:
    """Records whose advisories say by details.dated_at that they are older than what this feed gave before."""
    dated = {
        row["advisory_id"]: row for row in copy.decoded.tables.get("advisory", []) if row["details"].get("dated_at")
    }
    if not dated:
        return {}
    older = {}
    for known in store.fetch_all("feed/list_advisory_dates", {"advisory_ids": list(dated), "feed": copy.source}):
        row = dated[known["advisory_id"]]
        if (
            known["record_id"] == row["record_id"]
            and datetime.fromisoformat(row["details"]["dated_at"]) < known["dated_at"]
        ):
            older[row["record_id"]] = (
                f"a copy of {row['details']['dated_at']}, older than the record we have ({known['dated_at'].isoformat()})"
            )
    return older


def _missing_kev(store: Store, tables: Mapping[str, list[Row]], left_out: Sequence[Rejected]) -> list[Rejected]:
    """The entries that we have and this copy does not name. One that it names and that was left out is not gone."""
    if "kev" not in tables:
        return []
    named = {row["cve_id"] for row in tables["kev"]}
    named |= {item.record_id for item in left_out}
    gone = [row["cve_id"] for row in store.fetch_all("feed/list_kev_ids") if row["cve_id"] not in named]
    return [Rejected(cve_id, "no longer in the catalogue; kept until a person removes it") for cve_id in gone]


def _write_snapshot(
    store: Store, copy: Copy, status: FeedStatus, reason: str | None, records: int, quarantined: int, now: datetime
) -> int:
    row = store.fetch_one(
        "feed/insert_feed_snapshot",
        {
            "source": copy.source,
            "url": copy.url,
            "status": status.value,
            "reason": reason,
            "content_sha256": copy.sha256 or None,
            "etag": copy.etag,
            "last_modified": copy.last_modified,
            "data_date": copy.decoded.data_date,
            "dated_snapshot": copy.dated_snapshot is not None,
            "record_count": records,
            "quarantined_count": quarantined,
            "fetched_at": now,
        },
    )
    assert row is not None
    return int(row["snapshot_id"])


def _write_tables(store: Store, copy: Copy, tables: Mapping[str, list[Row]], snapshot_id: int, now: datetime) -> None:
    staged = [table for table in staging.TABLES if table in tables or (copy.scorers and table in staging.SCORED)]
    for table in staged:
        staging.fill(store, table, tables.get(table, []))
    staging.lock(store, staged)
    if copy.scorers:
        store.execute("feed/delete_cve_scores", {"scorers": list(copy.scorers)})
    if "cve_product" in staged:
        store.execute("feed/delete_cve_products")
    for table in staged:
        staging.merge(store, table, snapshot_id)
    for table in sorted(set(tables) - set(staging.TABLES), key=_write_rank):
        rows = tables[table]
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            params = {"rows": Json(rows[start : start + _ROWS_AT_ONCE]), "snapshot_id": snapshot_id, "now": now}
            store.execute(f"feed/merge_{table}", params)
    for table, columns in _PRUNED.items():
        if table in tables:
            keys = Json([{name: row[name] for name in columns} for row in tables[table]])
            store.execute(
                f"feed/prune_{table}", {"keys": keys, "source": copy.source, "complete": copy.complete, "now": now}
            )


def _write_rank(table: str) -> int:
    """Parents before children; tables that others do not refer to come last."""
    return _WRITE_ORDER.index(table) if table in _WRITE_ORDER else len(_WRITE_ORDER)


def _write_quarantine(store: Store, source: str, snapshot_id: int, left_out: Sequence[Rejected], now: datetime) -> None:
    by_key: dict[tuple[str, str], Rejected] = defaultdict()
    for item in left_out:
        by_key.setdefault((item.record_id, item.reason), item)
    if by_key:
        rows = [
            # PostgreSQL takes no NUL, and an id that holds one is just what lies here.
            {
                "record_id": item.record_id[:200].replace("\0", "�"),
                "reason": item.reason[:2000].replace("\0", "�"),
                "record": dict(item.record),
            }
            for item in by_key.values()
        ]
        store.execute(
            "feed/insert_feed_quarantine",
            {"source": source, "snapshot_id": snapshot_id, "rows": Json(rows), "now": now},
        )


def _write_lookups(store: Store, copy: Copy, snapshot_id: int, now: datetime) -> None:
    if copy.lookups:
        store.execute(
            "feed/upsert_cve_lookups",
            {"rows": Json(list(copy.lookups)), "source": copy.source, "snapshot_id": snapshot_id, "now": now},
        )


def _outcome(copy: Copy, status: FeedStatus, reason: str | None, records: int, quarantined: int) -> FeedOutcome:
    return FeedOutcome(copy.source, status, reason, records, quarantined, copy.decoded.data_date, copy.dated_snapshot)


def _record(store: Store, outcome: FeedOutcome, copy: Copy, actor: str, now: datetime) -> None:
    evidence.record(
        store,
        actor=actor,
        action=f"feed_{outcome.status.value}",
        subject=f"feed:{outcome.source}",
        grounds={
            "url": copy.url,
            "sha256": copy.sha256,
            "data_date": outcome.data_date.isoformat() if outcome.data_date else None,
            "dated_snapshot": copy.dated_snapshot.isoformat() if copy.dated_snapshot else None,
            "records": outcome.records,
            "quarantined": outcome.quarantined,
            "reason": outcome.reason,
        },
        at=now,
    )
