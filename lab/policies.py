"""The lab's policies: the project's own, with what the practice fleet needs written over them, in `.suture/policy/`.

Only what differs is set here: where the feeds, the vendor and Prometheus are, a window that comes around every hour, quick
rings, short backup lead, and campaigns for the web tier only, so that a demo is one story. Everything else is the
organisation's policy as it stands in include/policy.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from lab import archive, layout
from lab.archive import Archive
from lab.layout import Layout
from suture.settings import PROJECT_ROOT
from suture.sourcing.keyring import load_keyring

WINDOW = "lab"
WINDOW_EVERY = timedelta(hours=1)
WINDOW_LASTS = "PT55M"
SNAPSHOT_DATE = "2026-11-23"  # of lab/feeds; see its README
Change = Callable[[dict[str, Any]], None]


def render_here() -> Path:
    """Render for this clone's fleet, which must be up."""
    return render(layout.prepare(), archive.read())


def render(place: Layout, source: Archive, *, now: datetime | None = None) -> Path:
    """Write the lab's policies; their folder. The window keeps the phase it was given at first."""
    folder = place.home / "policy"
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((PROJECT_ROOT / "include" / "policy").iterdir()):
        if path.suffix in (".yaml", ".ics"):  # policies, and the calendars that windows.yaml may name
            shutil.copyfile(path, folder / path.name)
    described = json.loads(place.description.read_text("utf-8"))
    changes: Mapping[str, Change] = {
        "assets.yaml": _assets,
        "windows.yaml": lambda found: _windows(found, _first_opening(folder, now or datetime.now(UTC))),
        "rings.yaml": _rings,
        "judge.yaml": lambda found: found.update(prometheus_url=described["prometheus_url"]),
        "backup.yaml": lambda found: found.update(lead_minutes=60, wait_minutes=30, poll_seconds=2),
        "planning.yaml": _planning,
        "sources.yaml": lambda found: _sources(found, place, source, described["vendor_url"]),
        "feeds.yaml": lambda found: _feeds(found, described),
        "vendors.yaml": lambda found: _vendors(found, described["desk_url"]),
        "parity.yaml": _parity,
    }
    for name, change in changes.items():
        _rewrite(folder / name, change)
    return folder


def _rewrite(path: Path, change: Change) -> None:
    found = yaml.safe_load(path.read_text("utf-8"))
    change(found)
    head = f"# Rendered for the practice fleet from include/policy/{path.name}; edit that file, not this one.\n"
    part = path.with_suffix(".part")
    part.write_text(head + yaml.safe_dump(found, sort_keys=False, allow_unicode=True), "utf-8")
    part.replace(path)


def _first_opening(folder: Path, now: datetime) -> str:
    """When the lab's window opens: from the first time on, every hour at that minute. Remembered beside the policies."""
    kept = folder / ".window_first"
    if not kept.exists():
        kept.write_text(now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M"), "utf-8")
    return kept.read_text("utf-8").strip()


def _assets(found: dict[str, Any]) -> None:
    for group in found["asset_groups"]:
        if group.get("environment") != "staging":
            group.update(window=WINDOW, rings="quick")


def _windows(found: dict[str, Any], first: str) -> None:
    every = int(WINDOW_EVERY.total_seconds() // 60)
    found["windows"].append(
        {
            "name": WINDOW,
            "description": "The practice fleet's window: 55 minutes of every hour, from when the lab was first set up.",
            "time_zone": "UTC",
            "openings": [{"first": first, "rule": f"FREQ=MINUTELY;INTERVAL={every}", "duration": WINDOW_LASTS}],
        }
    )


def _rings(found: dict[str, Any]) -> None:
    for plan in found["ring_plans"]:
        if plan["name"] == "quick":
            plan.update(minutes_per_host=1, minutes_per_judgement=2, reserve_minutes=3)


def _planning(found: dict[str, Any]) -> None:
    for rule in found["rules"]:
        rule.update(asset_groups=["web"], max_unavailable=2)  # of six hosts


def _parity(found: dict[str, Any]) -> None:
    """A short replay: the bad fix 1.0.2 fails after its first 200 requests, and the second story of the demo is how the canary
    finds what staging did not. With the policy's own 3000 requests staging finds it (tests/lab/test_parity.py shows that).
    Sixty, so that two more tries stay below 200. And the machine's processors are everybody's: slowly, and a latency counts only
    when people would see it.
    """
    for rule in found["traffic"]:
        rule["record"].update(max_requests=60)
        rule.update(speed=0.25)
        rule["worse"].update(slower_share=2.0, slower_ms=500)


def _sources(found: dict[str, Any], place: Layout, distribution: Archive, vendor_url: str) -> None:
    if distribution.security is None or distribution.distribution != "debian":
        found["sources"] = [source for source in found["sources"] if source["name"] not in ("debian-security", "debian")]
    for source in found["sources"]:
        if source["name"] == "debian-security":
            source.update(suite=f"{distribution.codename}-security", codename=f"{distribution.codename}-security")
        if source["name"] == "debian":
            source.update(suite=distribution.codename, codename=distribution.codename)
    keyring = place.vendor / "keyring.gpg"
    found["sources"] += [
        {
            "name": name,
            "kind": "apt",
            "use": use,
            "address": address,
            "suite": "stable",
            "components": ["main"],
            "codename": "stable",
            "origin": "ACME Lab Vendor",
            "label": "ACME Security",
            "keyrings": [str(keyring)],
            "fingerprints": sorted(load_keyring([keyring]).keys),
            "max_age_days": 14,
            "contact": "the lab's vendor",
        }
        for name, address, use in (
            ("lab-vendor", vendor_url, "patches"),
            ("lab-vendor-hotfix", f"{vendor_url.rpartition('/')[0]}/hotfix", "out_of_band"),
        )
    ]


def _vendors(found: dict[str, Any], desk_url: str) -> None:
    found["vendors"].insert(
        0,
        {
            "name": "lab-vendor",
            "title": "ACME Lab Vendor",
            "products": ["acme-*"],
            "hotfix_source": "lab-vendor-hotfix",
            "regular_sources": ["lab-vendor"],
            "contact": {"kind": "desk", "address": desk_url, "lab": True},
            "acknowledge_within_hours": 1,
            "fix_within_hours": 24,
        },
    )


def _feeds(found: dict[str, Any], described: Mapping[str, Any]) -> None:
    """The dated snapshot in the feeds' own formats, and the vendor's live advisories."""
    feeds, vendor = described["feeds_url"], described["vendor_url"]
    places = {"kev": "kev.json", "epss": "epss.csv", "nvd": "nvd.json", "cve5": "cve5/{cve_id}.json"}
    for source in found["sources"]:
        place = places.get(source["name"])
        if place is None:
            source["enabled"] = False
            continue
        source.update(url=f"{feeds}/{place}", lab=True, dated_snapshot=SNAPSHOT_DATE, min_records=0, pause_seconds=0)
        source.update(max_data_age_hours=87600)  # the snapshot is of its date and grows no younger
    found["sources"].insert(
        0,
        {
            "name": "lab-vendor-advisories",
            "format": "osv",
            "transport": "document",
            "url": f"{vendor}/advisories.json",
            "lab": True,
            "advisory_source": "lab-vendor",
            "suite": "stable",
            "min_records": 0,
            "max_shrink_share": 1.0,  # the vendor of the lab takes advisories back when it is set up anew
        },
    )
