"""Which source is synced by which task of feed_sync: each by one, and none is forgotten."""

from __future__ import annotations

from pathlib import Path

import yaml

from suture.feeds.policies import FeedsPolicy
from suture.sourcing import load_sources
from suture.sourcing.source import Use
from suture_airflow.stages import feeds

ON = ("debian_tracker", "debian_lists", "osv", "ubuntu_usn", "openvex", "stix", "mbox", "atom")


def switched_on(policy_dir: Path, *names: str) -> None:
    file = policy_dir / "feeds.yaml"
    found = yaml.safe_load(file.read_text())
    for entry in found["sources"]:
        if entry["name"] in names:
            entry["enabled"] = True
    file.write_text(yaml.safe_dump(found))


def test_each_enabled_source_is_synced_by_one_task(warehouse: str, policy_dir: Path) -> None:
    switched_on(policy_dir, *ON)
    enabled = [source.name for source in FeedsPolicy.load(policy_dir).sources if source.enabled]
    archives = [f"archive:{name}" for name, source in load_sources(policy_dir).items() if source.use is Use.PATCHES]
    assert "archive:debian" not in archives  # for comparison only
    assert len(enabled) >= len(ON) + 4
    assert archives
    given = [*feeds.threat_feeds(), *feeds.advisory_sources(), *feeds.record_feeds()]
    assert sorted(given) == sorted(enabled + archives)


def test_threats_wait_for_no_source_of_advisories(warehouse: str, policy_dir: Path) -> None:
    switched_on(policy_dir, *ON)
    assert feeds.threat_feeds() == ["kev", "epss", "stix"]
    assert feeds.record_feeds() == ["nvd", "cve5"]


def test_a_source_that_policy_has_left_out_since_is_nothing_to_do(warehouse: str) -> None:
    assert feeds.sync_feed("archive:gone") == []
    assert feeds.sync_feed("osv") == []  # switched off
