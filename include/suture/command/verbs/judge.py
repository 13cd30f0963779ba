"""`suture judge`: compare patched with unpatched hosts, from Prometheus or from counts in a file."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from suture.command.given_files import text_given
from suture.command.moments import parse_moment, parse_span
from suture.errors import BadInputError, SutureError

if TYPE_CHECKING:
    from suture.rollout.judge import Judgement
    from suture.rollout.judge_rules import JudgeRules

_MOST_BYTES = 64 * 1024 * 1024
_FILE_FORM = """
FILE is JSON: {"canary": {"app1": {"requests": 812, "bad": 34}}, "control": {"app2": {"requests": 4103, "bad": 3}},
"seconds": 60}; or "steps": a list of such {"canary": …, "control": …, "seconds": …}, one a look.
"""


def register(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = subparsers.add_parser(
        "judge",
        help="pass, fail or inconclusive: are the patched hosts as good as the others?",
        description="Exit status 0: pass; 1: fail or inconclusive, with the reason; 2: bad input." + _FILE_FORM,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--prometheus", metavar="URL", help="default: SUTURE_PROMETHEUS_URL, then judge.yaml")
    source.add_argument("--file", metavar="FILE", help="judge counts from a file; - reads standard input")
    parser.add_argument("--canary", metavar="HOSTS", help="the patched hosts, separated by commas")
    parser.add_argument("--control", metavar="HOSTS", help="the hosts to compare them with")
    parser.add_argument("--service", metavar="S", help="whose judge (default: the only one of judge.yaml)")
    parser.add_argument("--since", metavar="T", help="count requests from this moment on (ISO 8601; default: now)")
    parser.add_argument("--for", dest="longest", metavar="SPAN", help="give up after this time (default: the policy's)")
    parser.add_argument("--policy", metavar="FILE", help="a judge.yaml other than the installation's")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    try:
        judgement = _from_file(args) if args.file else _from_prometheus(args)
    except SutureError as error:
        print(json.dumps({"error": str(error)}) if args.json else f"suture judge: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(judgement.as_json(), indent=2))
    else:
        print(f"{str(judgement.verdict).upper()}  {judgement.reason}\n{judgement.next_step}")
    return 0 if judgement.verdict == "pass" else 1


def _rules(args: argparse.Namespace) -> tuple[JudgeRules, str]:
    """The rules asked for, and the Prometheus that their policy names."""
    from suture import policy
    from suture.rollout.judge_rules import JudgePolicy
    from suture.settings import Settings

    path = Path(args.policy) if args.policy else Settings.load().policy_dir / "judge.yaml"
    judges = JudgePolicy.from_data(policy.load(path, "judge"))
    service = args.service or (next(iter(judges.judges)) if len(judges.judges) == 1 else None)
    rules = judges.for_service(service)
    if args.longest:
        rules = replace(rules, max_seconds=int(parse_span(args.longest).total_seconds()))
    return rules, judges.prometheus_url


def _from_prometheus(args: argparse.Namespace) -> Judgement:
    from suture.rollout.judge import Trial
    from suture.rollout.watch import look
    from suture.telemetry import Prometheus

    rules, policy_url = _rules(args)
    client = Prometheus(args.prometheus or os.environ.get("SUTURE_PROMETHEUS_URL") or policy_url)
    now = datetime.now(UTC)
    since = parse_moment(args.since) if args.since else now
    trial = Trial(_hosts(args.canary, "--canary"), _hosts(args.control, "--control"), since, now + rules.longest)
    progress = _progress(args)
    while True:
        judgement = look(client, rules, trial, datetime.now(UTC))
        if judgement.verdict is not None:
            return judgement
        progress(judgement.reason)
        time.sleep(rules.look_seconds)


def _progress(args: argparse.Namespace) -> Callable[[str], None]:
    def tell(text: str) -> None:
        if not args.json and sys.stderr.isatty():
            print(text, file=sys.stderr)

    return tell


def _hosts(text: str | None, option: str) -> tuple[str, ...]:
    hosts = tuple(host for host in (text or "").split(",") if host)
    if not hosts:
        raise BadInputError(f"{option} is needed: host names, separated by commas.")
    return hosts


def _from_file(args: argparse.Namespace) -> Judgement:
    """Counts have no health or latency: these guards are left out, and the measure is the policy's first."""
    from suture.model.traffic import Observations, ObservedMeasure, RequestCounts, TrafficStep
    from suture.rollout.judge import Trial, judge

    rules, _ = _rules(args)
    rules = replace(rules, healthy=None, latency=None, measures=rules.measures[:1])
    data = _read(args.file)
    start = end = datetime(2000, 1, 1, tzinfo=UTC)
    steps = []
    canary: dict[str, None] = {}
    control: dict[str, None] = {}
    for part in data.get("steps", [data]):
        try:
            end = start + timedelta(seconds=float(part["seconds"]))
            groups = {name: _counts(part[name], RequestCounts) for name in ("canary", "control")}
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadInputError(f"{args.file} is not such a file: {error!r}.", remedy=_FILE_FORM.strip()) from error
        canary |= dict.fromkeys(groups["canary"])
        control |= dict.fromkeys(groups["control"])
        steps.append(TrafficStep(start, end, groups["canary"] | groups["control"]))
        start = end
    begun = datetime(2000, 1, 1, tzinfo=UTC)
    trial = Trial(tuple(canary), tuple(control), begun, deadline=end)
    seen = Observations({rules.measures[0].name: ObservedMeasure(tuple(steps))})
    return judge(trial, seen, rules, end)


def _counts(group: Mapping[str, Mapping[str, Any]], kind: Callable[[int, int], Any]) -> dict[str, Any]:
    counted = {}
    for host, counts in group.items():
        numbers = (counts["requests"], counts["bad"])
        if not all(type(number) is int for number in numbers):
            raise ValueError(f"{host}: requests and bad must be whole numbers, not {numbers}")
        counted[host] = kind(*numbers)
    return counted


def _read(name: str) -> dict[str, Any]:
    try:
        data = json.loads(text_given(name, most=_MOST_BYTES))
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{name} cannot be read: {error}.") from error
    if not isinstance(data, dict) or not isinstance(data.get("steps", []), list):
        raise BadInputError(f"{name} must hold a JSON object.", remedy=_FILE_FORM.strip())
    return data
