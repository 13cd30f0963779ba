"""`suture feed load|status|contradictions|affected`: load a feed's copy from files, see how the feeds are, where they disagree,
and which CVEs a vendor's products have."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suture.feeds.bulk import Progress

_MOST_ROWS = 10_000_000


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "feed", help="load a feed from files; how old each feed is, what is quarantined, what disagrees"
    )
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
        help="files (gzip too), folders or archives (.zip, .tar.gz) of them; CVE records also one JSON a line (.jsonl)",
    )
    loading.add_argument(
        "--with",
        dest="others",
        metavar=("SOURCE", "FILE"),
        nargs=2,
        action="append",
        default=[],
        help="another source's copy, loaded meanwhile by a process of its own; may be given several times, the largest copy first",
    )
    loading.add_argument("--json", action="store_true", help="print JSON; with --with a list")
    loading.set_defaults(handler=load)
    looking = verbs.add_parser(
        "status",
        help="each feed's state, age, freshness goal, counts and quarantine, and where feeds disagree",
        description="Status 0: all that policy uses are fresh; 1: one is stale, was never loaded, or its last copy was refused.",
    )
    looking.add_argument("source", metavar="SOURCE", nargs="?", help="only this source")
    looking.add_argument("--quarantine", action="store_true", help="show what lies in quarantine, newest first")
    looking.add_argument("--json", action="store_true", help="print JSON")
    looking.set_defaults(handler=status)
    comparing = verbs.add_parser(
        "contradictions",
        help="where sources contradict one another, and which one holds",
        description="Both claims of each, the one that holds first (docs/feeds/PRECEDENCE.md). Status 0: there is none; 1: there are.",
    )
    comparing.add_argument("cve", metavar="CVE", nargs="?", help="only of this CVE")
    comparing.add_argument("--kind", metavar="KIND", help="only of this kind, such as scores_differ")
    comparing.add_argument("--ended", action="store_true", help="also those that ended")
    comparing.add_argument("--limit", metavar="N", type=int, default=1000, help="at most N (1000)")
    comparing.add_argument("--json", action="store_true", help="print JSON")
    comparing.set_defaults(handler=disagree)
    naming = verbs.add_parser(
        "affected",
        help="the CVEs of a vendor's products, as CVE records name them, newest first",
        description="With score, KEV and the affected versions of each. Names are those of CVE records; the case of letters does "
        "not count. Status 0: there are some; 1: none is known.",
    )
    who = naming.add_mutually_exclusive_group(required=True)
    who.add_argument("--vendor", metavar="NAME", help="the vendor as CVE records name it")
    who.add_argument("--of", metavar="VENDOR", help="a vendor of vendors.yaml: all that its cve_products name")
    naming.add_argument("--product", metavar="NAME", help="only this product or package, with --vendor")
    naming.add_argument("--limit", metavar="N", type=int, default=100, help="at most N (100)")
    naming.add_argument("--json", action="store_true", help="print JSON")
    naming.set_defaults(handler=affected)


def load(args: argparse.Namespace) -> int:
    """0: taken in or unchanged; 1: one was refused."""
    from suture.feeds import FeedsPolicy, FilesOf, load_side_by_side
    from suture.settings import Settings

    settings = Settings.load()
    policy = FeedsPolicy.load(settings.policy_dir)
    copies = [FilesOf(policy.source(args.source), tuple(args.files))]
    copies += [FilesOf(policy.source(name), (Path(file),)) for name, file in args.others]
    outcomes = load_side_by_side(settings.require_warehouse(), copies, now=datetime.now(UTC), report=_progress)
    if args.json:
        said = [{**_plain(asdict(outcome)), "ok": outcome.ok} for outcome in outcomes]
        print(json.dumps(said if args.others else said[0]))
    else:
        print("\n".join(outcome.sentence for outcome in outcomes))
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def status(args: argparse.Namespace) -> int:
    """0: all feeds that policy uses are fresh; 1: one is not."""
    from suture.feeds import MEANING, FeedsPolicy, FeedState, contradiction_counts, feed_health
    from suture.settings import Settings
    from suture.store import Store

    settings = Settings.load()
    policy = FeedsPolicy.load(settings.policy_dir)
    with Store.connect(settings.require_warehouse()) as store:
        found = feed_health(store, policy, now=datetime.now(UTC))
        if args.source is not None:
            found = [health for health in found if health.source == args.source]
            if not found:
                policy.source(args.source)  # raises, and names those that there are
        kept = (
            store.fetch_all("feed/list_feed_quarantine", {"source": args.source, "max_rows": 200})
            if args.quarantine
            else []
        )
        # They are between sources: of one source alone there is nothing to say.
        disagreements = contradiction_counts(store) if args.source is None else {}
    if args.json:
        document: dict[str, Any] = {"feeds": [_plain(asdict(health)) for health in found]}
        if args.source is None:
            document["contradictions"] = [
                {"kind": kind.value, "count": count, "what": MEANING[kind][0], "holds": MEANING[kind][1]}
                for kind, count in disagreements.items()
            ]
        print(json.dumps(document | ({"quarantine": _plain(kept)} if args.quarantine else {}), indent=2))
    else:
        for health in found:
            goal = f" Goal: {health.goal.total_seconds() / 3600:.0f} hours." if health.enabled else ""
            kept_aside = f" {health.quarantined} in quarantine." if health.quarantined else ""
            print(f"{health.state.value:<11}  {_visible(health.sentence)}{goal}{kept_aside}")
        for kind, count in disagreements.items():
            print(f"disagree     {kind.value}: {count}. {MEANING[kind][0]} What holds: {MEANING[kind][1]}")
        if disagreements:
            print("             `./suture feed contradictions` shows both claims of each, the one that holds first.")
        for row in kept:
            print(f"  {row['source']}  {_visible(row['record_id'])}: {_visible(row['reason'])}")
    return 0 if all(health.state in (FeedState.FRESH, FeedState.OFF) for health in found) else 1


def disagree(args: argparse.Namespace) -> int:
    """0: no contradiction; 1: there are some."""
    from suture.errors import BadInputError
    from suture.feeds import MEANING, ContradictionKind, contradictions
    from suture.model import is_cve_id
    from suture.settings import Settings
    from suture.store import Store

    if args.kind is not None and args.kind not in list(ContradictionKind):
        raise BadInputError(f"There is no kind {args.kind!r}; there are {', '.join(ContradictionKind)}.")
    _require_limit(args.limit)
    if args.cve is not None and not is_cve_id(args.cve.upper()):
        raise BadInputError(f"{args.cve[:60]!r} is no CVE id such as CVE-2024-3094.")
    with Store.connect(Settings.load().require_warehouse()) as store:
        found = contradictions(
            store,
            kind=ContradictionKind(args.kind) if args.kind else None,
            cve_id=args.cve.upper() if args.cve else None,
            with_ended=args.ended,
            max_rows=args.limit,
        )
    if args.json:
        print(json.dumps([_plain(asdict(item)) for item in found], indent=2))
        return 1 if found else 0
    kind = None
    for item in found:
        if item.kind is not kind:
            kind = item.kind
            print(f"{kind.value}: {MEANING[kind][0]} What holds: {MEANING[kind][1]}")
        said = "; ".join(f"{claim.source}: {claim.says}" for claim in item.claims)
        print(
            f"  {_visible(f'{item.cve_id}  {said}')}" + (f"  (ended {item.ended_at:%Y-%m-%d})" if item.ended_at else "")
        )
    if not found:
        print("No source contradicts another.")
    return 1 if found else 0


def _require_limit(limit: int) -> None:
    from suture.errors import BadInputError

    if not 1 <= limit <= _MOST_ROWS:
        raise BadInputError(f"--limit must be from 1 to {_MOST_ROWS:,}.")


def affected(args: argparse.Namespace) -> int:
    """0: there are some; 1: none is known."""
    from suture.errors import BadInputError
    from suture.risk.affected import affected_cves
    from suture.settings import Settings
    from suture.sourcing.cases import VendorRegister
    from suture.store import Store

    _require_limit(args.limit)
    settings = Settings.load()
    if args.of is None:
        named = [(args.vendor, args.product)]
    elif args.product is not None:
        raise BadInputError("--product goes with --vendor, not with --of.")
    else:
        vendor = VendorRegister.load(settings.policy_dir).vendor(args.of)
        named = [(entry.vendor, entry.product) for entry in vendor.cve_products]
        if not named:
            raise BadInputError(
                f"vendors.yaml does not say what CVE records call the products of {vendor.name}.",
                remedy=f"Add cve_products to {vendor.name} in vendors.yaml, or name the vendor with --vendor.",
            )
    with Store.connect(settings.require_warehouse()) as store:
        found = affected_cves(store, named, max_rows=args.limit)
    if args.json:
        print(json.dumps([_plain(asdict(item)) for item in found], indent=2))
        return 0 if found else 1
    for item in found:
        score = f"{item.score:.1f} ({item.score_source})" if item.score is not None else "no score"
        kev = f"  KEV since {item.kev_added}" if item.kev_added else ""
        dated = f"{item.published_at:%Y-%m-%d}" if item.published_at else "no date   "
        print(_visible(f"{dated}  {item.cve_id}  {score}{kev}  {item.title or ''}".rstrip()))
        for product in item.products:
            name = " ".join(part for part in (product.vendor, product.product) if part)
            print(_visible(f"            {name}: {product.ranges or 'no affected version named'}"[:400]))
    if not found:
        asked = "; ".join(" ".join(part for part in pair if part) for pair in named)
        print(_visible(f"No CVE record in the warehouse names {asked}. `./suture feed status cve5` shows what is loaded."))
    return 0 if found else 1


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
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.isoformat() if isinstance(value, datetime | date) else value


def _visible(text: str) -> str:
    """A stranger's text without control characters: a terminal obeys them."""
    return "".join(character if character.isprintable() else "�" for character in text)
