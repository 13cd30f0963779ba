"""How long the replay of strategies and the filling of trains take: `python benchmarks/strategy_simulation.py [--history FILE…]`.

Without --history the advisories are made up (seeded): as many as Debian published from 2002 to 2023. The trains are filled
with made-up campaigns, all at once and train by train, and the second's worth is compared with the first's.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from suture.model import Priority
from suture.model.history import AdvisoryKind, HistoricAdvisory
from suture.risk import knapsack
from suture.risk.advisory_history import read_history
from suture.risk.capacity import CapacityPolicy, TrainPlan, Work, fill_trains
from suture.risk.strategy import StrategyPolicy
from suture.risk.strategy_simulation import Scene, compare
from suture.settings import PROJECT_ROOT

POLICY = PROJECT_ROOT / "include" / "policy"
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def made_up(count: int, seed: int = 1) -> list[HistoricAdvisory]:
    rng = random.Random(seed)  # noqa: S311 - a benchmark, no secret
    return [
        HistoricAdvisory(
            f"DSA-{number}-1", date(2002, 1, 1) + timedelta(days=rng.randrange(7700)), f"package{rng.randrange(2000)}",
            AdvisoryKind.SECURITY, (f"CVE-2020-{number:04d}",),
        )
        for number in range(count)
    ]  # fmt: skip


def backlog(count: int, rules: CapacityPolicy, seed: int = 2) -> list[Work]:
    rng = random.Random(seed)  # noqa: S311
    found = []
    for number in range(count):
        priority = rng.choices(list(Priority)[1:], weights=[1, 6, 3])[0]
        risk = rules.risk(priority, timedelta(days=rng.randrange(60)))
        found.append(Work(f"c{number}", priority, rng.randrange(30, 240), risk, NOW + timedelta(days=rng.randrange(5, 90))))
    return found


def worth(plan: TrainPlan, rules: CapacityPolicy) -> float:
    total = 0.0
    for slot in plan.slots:
        if slot.train is not None:
            late = slot.work.deadline is not None and slot.train.starts_at > slot.work.deadline
            factor = rules.later ** plan.trains.index(slot.train) * (rules.after_deadline if late else 1)
            total += slot.work.risk * factor
    return total


def replay(history: list[HistoricAdvisory]) -> None:
    policy = StrategyPolicy.load(POLICY)
    scene = Scene("all", {entry.source_package: 10 for entry in history if entry.source_package}, {}, {})
    seconds, found = timed(lambda: compare(history, scene, policy))
    print(f"replay: {found.advisories:,} advisories x {len(found.outcomes)} strategies: {seconds:.2f} s")


def trains(sizes: list[int]) -> None:
    rules = CapacityPolicy.load(POLICY)
    print(f"{'campaigns':>10}{'all at once':>14}{'train by train':>16}{'worth of the second':>21}")
    for size in sizes:
        work = backlog(size, rules)
        results = []
        for limit in (10**9, 0):
            knapsack.ALL_AT_ONCE = limit
            results.append(timed(lambda: fill_trains(work, rules.trains(NOW), rules)))  # noqa: B023 - called at once
        (whole, best), (apart, plan) = results
        share = worth(plan, rules) / worth(best, rules)
        print(f"{size:>10,}{whole:>12.2f} s{apart:>14.2f} s{share:>20.1%}  ({best.solver})")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", nargs="*", type=Path, default=[], help="DSA/DLA lists; without: made up")
    parser.add_argument("--advisories", type=int, default=8_937)
    parser.add_argument("--campaigns", type=int, nargs="*", default=[20, 100, 250, 1000])
    args = parser.parse_args()
    if args.history:
        seconds, found = timed(lambda: read_history(args.history))
        print(f"read: {len(found.advisories):,} entries in {seconds:.2f} s")
        replay(list(found.advisories))
    else:
        replay(made_up(args.advisories))
    trains(args.campaigns)
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
