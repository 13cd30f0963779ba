"""`suture capacity plan`: which campaign is tested with which patch train, who waits and why, and the backlog's forecast."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suture.command.given_files import text_given
from suture.command.moments import parse_moment
from suture.errors import BadInputError, SutureError
from suture.wording import counted

if TYPE_CHECKING:
    from suture.risk.capacity import CapacityPolicy, Work
    from suture.risk.capacity_run import Filling

_KNOWN = {"id", "priority", "minutes", "packages", "deadline", "created_at"}
MAX_CAMPAIGNS = 20_000
_MOST_BYTES = 64 * 1024 * 1024


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser("capacity", help="testing capacity: patch trains, who waits and why, the backlog")
    verbs = parser.add_subparsers(dest="capacity_verb", required=True)
    plan = verbs.add_parser(
        "plan",
        help="fill the next trains by risk for the time they cost; writes nothing",
        description="--file: a JSON list of campaigns {id, priority, minutes or packages, deadline, created_at} instead of the "
        "warehouse's. Exit status 0: all have a train; 1: some wait, or a train is over its capacity; 2: bad input.",
    )
    plan.add_argument("--file", type=Path, metavar="JSON", help="campaigns from a file (- for standard input)")
    plan.add_argument("--at", metavar="T", help="as of this moment, ISO 8601 with time zone (default: now)")
    plan.add_argument("--json", action="store_true", help="print JSON")
    plan.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    try:
        return _plan(args)
    except SutureError as error:
        print(json.dumps({"error": str(error)}) if args.json else f"suture capacity: {error}", file=sys.stderr)
        return 2 if isinstance(error, BadInputError) else 1


def _plan(args: argparse.Namespace) -> int:
    from suture.risk.capacity import CapacityPolicy
    from suture.risk.capacity_run import plan_trains
    from suture.settings import Settings
    from suture.store import Store

    now = parse_moment(args.at) if args.at else datetime.now(UTC)
    settings = Settings.load()
    rules = CapacityPolicy.load(settings.policy_dir)
    if args.file:
        filling = _from_file(args.file, rules, now)
    else:
        with Store.connect(settings.require_warehouse()) as store:
            filling = plan_trains(store, rules, now=now)
    if args.json:
        print(json.dumps(_as_json(filling, rules), indent=2))
    else:
        _print(filling, rules)
    return 1 if filling.plan.waiting or filling.plan.over else 0


def _from_file(path: Path, rules: CapacityPolicy, now: datetime) -> Filling:
    from suture.risk.capacity import fill_trains
    from suture.risk.capacity_forecast import forecast
    from suture.risk.capacity_run import Filling

    entries = _entries(path)
    work = [_work(entry, number, rules, now) for number, entry in enumerate(entries, 1)]
    names = [one.campaign_id for one in work]
    if len(set(names)) < len(names):
        raise BadInputError(
            f"{path}: the campaign {next(n for n in names if names.count(n) > 1)!r} stands there twice."
        )
    trains = rules.trains(now)
    recent = [
        one
        for one, entry in zip(work, entries, strict=True)
        if (at := _moment(entry, "created_at", one.campaign_id)) is not None and timedelta() <= now - at <= rules.arrivals_over
    ]
    outlook = forecast(
        backlog_campaigns=len(work),
        backlog_minutes=sum(one.minutes for one in work),
        arrived=len(recent),
        arrived_minutes=sum(one.minutes for one in recent),
        over=rules.arrivals_over,
        between_trains=(trains[-1].ends_at - trains[0].starts_at) / len(trains),
        capacity_minutes=rules.minutes_per_train,
        trains=len(trains),
    )
    return Filling(fill_trains(work, trains, rules), outlook)


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(text_given(path, most=_MOST_BYTES))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path} is not a JSON file: {error}.") from error
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise BadInputError(f"{path} must hold a JSON list of campaigns.")
    if len(found) > MAX_CAMPAIGNS:
        raise BadInputError(f"{path} holds {len(found)} campaigns; at most {MAX_CAMPAIGNS} are planned at once.")
    return found


def _work(entry: dict[str, Any], number: int, rules: CapacityPolicy, now: datetime) -> Work:
    from suture.model import Priority
    from suture.risk.capacity import Work

    where = f"campaign {number}"
    unknown = sorted(set(entry) - _KNOWN)
    if unknown:
        raise BadInputError(f"{where} has the key {unknown[0]!r}; known are {', '.join(sorted(_KNOWN))}.")
    name = entry.get("id")
    if not isinstance(name, str) or not name or not name.isprintable() or len(name) > 100:
        raise BadInputError(f"{where} needs an id of printable text.")
    try:
        priority = Priority(entry.get("priority", ""))
    except ValueError as error:
        raise BadInputError(f"{where}, {name}: priority is one of {', '.join(Priority)}.") from error
    minutes = _whole(entry, "minutes", f"{where}, {name}")
    packages = _whole(entry, "packages", f"{where}, {name}") or 1
    created = _moment(entry, "created_at", f"{where}, {name}") or now
    return Work(
        campaign_id=name,
        priority=priority,
        minutes=minutes or rules.minutes(packages, None),
        risk=rules.risk(priority, max(now - created, timedelta())),
        deadline=_moment(entry, "deadline", f"{where}, {name}"),
        measured=minutes is not None,
    )


def _moment(entry: dict[str, Any], key: str, where: str) -> datetime | None:
    """None where the entry does not say; a value that is no moment is never taken for none."""
    value = entry.get(key)
    if value is None:
        return None
    try:
        return parse_moment(value if isinstance(value, str) else repr(value))
    except BadInputError as error:
        raise BadInputError(f"{where}: {key}: {error.message}") from error


def _whole(entry: dict[str, Any], key: str, where: str) -> int | None:
    value = entry.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise BadInputError(f"{where}: {key} is a whole number from 1 to 1,000,000, not {value!r}.")
    return value


def _as_json(filling: Filling, rules: CapacityPolicy) -> dict[str, Any]:
    plan = filling.plan
    return {
        "enforced": rules.enforce,
        "solver": plan.solver,
        "trains": [
            {
                "train": train.train_id,
                "starts_at": train.starts_at.isoformat(),
                "capacity_minutes": train.capacity_minutes,
                "planned_minutes": plan.minutes_of(train),
                "over_capacity": train.train_id in plan.over,
                "campaigns": plan.campaigns_of(train),
            }
            for train in plan.trains
        ],
        "campaigns": [
            {
                "id": slot.work.campaign_id,
                "train": slot.train.train_id if slot.train else None,
                "minutes": slot.work.minutes,
                "risk": round(slot.work.risk, 2),
                "why": slot.sentence,
            }
            for slot in plan.slots
        ],
        "forecast": filling.outlook.as_json(),
    }


def _print(filling: Filling, rules: CapacityPolicy) -> None:
    from suture.compliance.overview import visible

    plan = filling.plan
    for train in plan.trains:
        over = "  OVER CAPACITY" if train.train_id in plan.over else ""
        print(
            f"{train.starts_at:%Y-%m-%d}  {plan.minutes_of(train) / 60:6.1f} of {train.capacity_minutes / 60:.1f} h"
            f"  {counted(len(plan.campaigns_of(train)), 'campaign', width=4)}{over}"
        )
    for slot in plan.slots:
        print(visible(f"  {slot.work.campaign_id} ({slot.work.priority}): {slot.sentence}"))
    print(filling.outlook.sentence)
    print(
        f"Solver: {plan.solver}. {'The trains are enforced.' if rules.enforce else 'The trains are shown, not enforced.'}"
    )
