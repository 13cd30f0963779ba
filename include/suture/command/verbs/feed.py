"""`suture feed load|status`: load a feed's copy from files, and see how the feeds are."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.feeds.bulk import Progress


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("feed", help="load a feed from files; how old each feed is and what is quarantined")
    verbs = parser.add_subparsers(dest="feed_verb", required=True)
    loading = verbs.add_parser(
        "load",
        help="load a copy by hand (sites without a way out), by the rules of any other copy",
        description="Status 0: taken in, or the same as before; 1: refused, with the reason, and the last good data stands; "
        "2: bad input.",
    )
    loading.add_argument("source", metavar="SOURCE", help="a source of feeds.yaml: kev, epss, nvd, cve5 …")
    loading.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="files, gzip too, folders of them, and for CVE records .zip, .tar, .tar.gz or one JSON a line (.jsonl)",
    )
    loading.add_argument("--json", action="store_true", help="print JSON")
    loading.set_defaults(handler=load)
    looking = verbs.add_parser(
        "status", help="each feed's age, counts and quarantine", description="Status 0: all are fresh; 1: one is stale."
    )
    looking.add_argument("--quarantine", action="store_true", help="show what lies in quarantine, newest first")
    looking.add_argument("--json", action="store_true", help="print JSON")
    looking.set_defaults(handler=status)


def load(args: argparse.Namespace) -> int:
    """0: taken in or unchanged; 1: refused."""
    from suture.feeds import FeedsPolicy, load_files
    from suture.settings import Settings
    from suture.store import Store

    settings = Settings.load()
    source = FeedsPolicy.load(settings.policy_dir).source(args.source)
    with Store.connect(settings.require_warehouse()) as store:
        outcome = load_files(store, source, args.files, now=datetime.now(UTC), report=_progress)
    print(json.dumps({**_plain(asdict(outcome)), "ok": outcome.ok}) if args.json else outcome.sentence)
    return 0 if outcome.ok else 1


def status(args: argparse.Namespace) -> int:
    """0: all enabled feeds are fresh; 1: one is stale."""
    from suture.feeds import FeedsPolicy, feed_health
    from suture.settings import Settings
    from suture.store import Store

    settings = Settings.load()
    policy = FeedsPolicy.load(settings.policy_dir)
    with Store.connect(settings.require_warehouse()) as store:
        found = feed_health(store, policy, now=datetime.now(UTC))
        kept = (
            store.fetch_all("feed/list_feed_quarantine", {"source": None, "max_rows": 200}) if args.quarantine else []
        )
    if args.json:
        document = {"feeds": [_plain(asdict(health)) for health in found]}
        print(json.dumps(document | ({"quarantine": _plain(kept)} if args.quarantine else {}), indent=2))
    else:
        for health in found:
            mark = "off  " if not health.enabled else "STALE" if health.stale else "ok   "
            print(
                f"{mark}  {health.sentence}" + (f" {health.quarantined} in quarantine." if health.quarantined else "")
            )
        for row in kept:
            print(f"  {row['source']}  {_visible(row['record_id'])}: {_visible(row['reason'])}")
    return 1 if any(health.stale for health in found) else 0


def _progress(progress: Progress) -> None:
    rate = progress.records / max(progress.seconds, 0.001)
    print(
        f"{progress.records} records, {rate:.0f} a second, {progress.unchanged} unchanged, "
        f"{progress.quarantined} left out so far",
        file=sys.stderr,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime | date) else value


def _visible(text: str) -> str:
    """A stranger's text without control characters: a terminal obeys them."""
    return "".join(character if character.isprintable() else "�" for character in text)
