"""Threat intelligence: what became more urgent since it was last looked at.

The rules:

1. Looked at are the CVEs that advisories of open or accepted findings name. The first look at a CVE is a base, not a change.
2. A change is a KEV entry, a known use in ransomware campaigns, exploitation that rises (none → poc → active), an EPSS
   jump as policy defines it, or a new indicator or sighting. Each is a row with its reason, and evidence.
3. What was seen is held: a KEV entry that goes, exploitation that falls, an EPSS that sinks, a signal that is revoked lower
   nothing. A replayed or stale copy therefore lowers nothing, and tells nothing twice. Only release() lowers, by a person.
4. EPSS is measured from the last reported value, so that a slow climb is a jump at last. Another EPSS model is another
   measure: it gives a new base, and no jump.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture import evidence
from suture.errors import BadInputError
from suture.risk.urgency_policy import UrgencyPolicy
from suture.store import Json, Store

EXPLOITATION = ("none", "poc", "active")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class UrgencyChange:
    """before is None where nothing was known. reason: a sentence."""

    cve_id: str
    kind: str
    before: str | None
    after: str
    source: str
    reason: str


def watch_threats(
    store: Store, policy: UrgencyPolicy, *, now: datetime, actor: str = "suture:feed_sync"
) -> list[UrgencyChange]:
    """Compare the feeds with what was last seen, keep what is new; the changes ([]: nothing became more urgent)."""
    with store.transaction():
        store.execute("threat/lock_threat_state")
        rows = store.fetch_all("threat/list_threat_facts", {"at": now})
        changes = [change for row in rows if row["is_known"] for change in changes_of(row, policy)]
        reported = {change.cve_id for change in changes if change.kind == "epss_jump"}
        fresh = [_state(row, is_reported=row["cve_id"] in reported) for row in rows if _is_news(row)]
        if fresh:
            store.execute("threat/merge_threat_state", {"rows": Json(fresh), "now": now})
        _write(store, changes, actor=actor, now=now)
    return changes


def changes_of(row: Row, policy: UrgencyPolicy) -> Iterator[UrgencyChange]:
    """What became more urgent about one CVE; `row` as threat/list_threat_facts gives it (seen_*: what was last seen)."""
    cve_id = row["cve_id"]
    if row["kev_added"] is not None and row["seen_kev_added"] is None:
        why = f"{cve_id} was added to CISA's catalogue of exploited vulnerabilities on {row['kev_added']}."
        yield UrgencyChange(cve_id, "kev_added", None, str(row["kev_added"]), "kev", why)
    if row["known_ransomware"] and not row["seen_ransomware"]:
        why = f"{cve_id} is known to be used in ransomware campaigns."
        yield UrgencyChange(cve_id, "ransomware", None, "known", "kev", why)
    before, after = row["seen_exploitation"], row["exploitation"]
    if after in EXPLOITATION and _level(after) > max(_level(before), 0):
        why = f"{cve_id}: exploitation rose from {before or 'unknown'} to {after}, says {row['ssvc_source']}."
        yield UrgencyChange(cve_id, "exploitation", before, after, str(row["ssvc_source"]), why)
    if _jumped(row, policy):
        base = row["epss_base"] or 0.0
        why = f"{cve_id}: EPSS rose from {base:.3f} to {row['epss']:.3f} within 30 days."
        known = None if row["epss_base"] is None else f"{base:.5f}"
        yield UrgencyChange(cve_id, "epss_jump", known, f"{row['epss']:.5f}", "epss", why)
    for signal in sorted(set(row["signals"]) - set(row["seen_signals"])):
        source, _, signal_id = signal.partition(":")
        why = f"{cve_id}: {source} reports {signal_id}."
        yield UrgencyChange(cve_id, "indicator", None, signal_id, source, why)


def release(store: Store, cve_id: str, *, actor: str, reason: str, now: datetime) -> None:
    """A person sets what is held of a CVE back to what the feeds say now; findings may fall with the next scoring.

    Raises BadInputError without a reason, or for a CVE of which nothing is held.
    """
    if len(reason.strip()) < 10:
        raise BadInputError("A reason is needed to lower an urgency: at least ten characters.")
    with store.transaction():
        store.execute("threat/lock_threat_state")
        held = store.fetch_one("threat/release_threat_state", {"cve_id": cve_id, "now": now})
        if held is None:
            raise BadInputError(f"Nothing is held of {cve_id!r}.", remedy="`./suture urgency list` shows what was seen.")
        change = UrgencyChange(cve_id, "released", None, "as the feeds say", actor, f"{cve_id}: {reason.strip()}")
        _write(store, [change], actor=actor, now=now)


def _write(store: Store, changes: list[UrgencyChange], *, actor: str, now: datetime) -> None:
    if not changes:
        return
    touched = {
        row["cve_id"]: row
        for row in store.fetch_all("threat/count_cve_findings", {"cve_ids": sorted({one.cve_id for one in changes})})
    }
    for change in changes:
        found = touched.get(change.cve_id, {"findings": 0, "hosts": 0, "asset_groups": []})
        counts = {name: found[name] for name in ("findings", "hosts", "asset_groups")}
        store.execute("threat/insert_urgency_change", {**vars(change), **counts, "detected_at": now})
        evidence.record(
            store,
            actor=actor,
            action="urgency_released" if change.kind == "released" else "urgency_raised",
            subject=f"cve:{change.cve_id}",
            grounds={**vars(change), **counts},
            at=now,
        )


def _state(row: Row, *, is_reported: bool) -> dict[str, Any]:
    """What is to be held of a CVE; the merge only raises. epss_base moves with a report, a new model, a first look."""
    rebase = is_reported or not row["is_known"] or row["epss_model"] != row["seen_epss_model"]
    return {
        "cve_id": row["cve_id"],
        "kev_added": row["kev_added"].isoformat() if row["kev_added"] else None,
        "kev_due": row["kev_due"].isoformat() if row["kev_due"] else None,
        "known_ransomware": bool(row["known_ransomware"]),
        "exploitation": row["exploitation"] if row["exploitation"] in EXPLOITATION else None,
        "exploitation_source": row["ssvc_source"],
        "exploitation_dated_at": row["ssvc_dated_at"].isoformat() if row["ssvc_dated_at"] else None,
        "epss": row["epss"],
        "epss_date": row["epss_date"].isoformat() if row["epss_date"] else None,
        "epss_model": row["epss_model"],
        "rebase": rebase and row["epss"] is not None,
        "signals": list(row["signals"]),
    }


def _is_news(row: Row) -> bool:
    """Whether anything is to be written: an unchanged look writes no row."""
    return (
        not row["is_known"]
        or (row["kev_added"] is not None and row["kev_added"] != row["seen_kev_added"])
        or (row["kev_due"] is not None and row["kev_due"] != row["seen_kev_due"])
        or (bool(row["known_ransomware"]) and not row["seen_ransomware"])
        or _level(row["exploitation"]) > _level(row["seen_exploitation"])
        or (row["epss"] is not None and row["epss"] > (row["epss_peak"] if row["epss_peak"] is not None else -1.0))
        or (row["epss"] is not None and row["epss_model"] != row["seen_epss_model"])
        or not set(row["signals"]) <= set(row["seen_signals"])
    )


def _level(word: str | None) -> int:
    """-1 where nothing (or nothing readable) is said; unknown and none are the same height for a rise."""
    return EXPLOITATION.index(word) if word in EXPLOITATION else -1


def _jumped(row: Row, policy: UrgencyPolicy) -> bool:
    now, base = row["epss"], row["epss_base"]
    if now is None or (base is not None and row["epss_model"] != row["seen_epss_model"]):
        return False
    rise = now - (base or 0.0)
    by_factor = base is not None and base > 0 and now >= base * policy.epss_factor and now >= policy.epss_factor_from
    return bool(rise >= policy.epss_absolute - 1e-12 or by_factor)
