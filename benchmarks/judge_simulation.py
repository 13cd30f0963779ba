"""How often the judge is wrong, and how long it takes: `python benchmarks/judge_simulation.py [--rollouts 4000]`.

Each rollout is simulated traffic (Poisson arrivals, 12 requests a second and host, one look every two seconds) through the
judge's own code. Prints one line a question; the seed is fixed.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from suture.model.traffic import RequestCounts
from suture.rollout.sequential import ExcessEvidence, shown_below

ALPHA = 0.05
MARGIN = 0.02
LOOK_SECONDS = 2
PER_SECOND = 12
MIN_SECONDS = 30
Rates = Callable[[int], tuple[float, float]]


def draw(rng: np.random.Generator, hosts: int, rate: float) -> RequestCounts:
    requests = int(rng.poisson(PER_SECOND * LOOK_SECONDS * hosts))
    return RequestCounts(requests, int(rng.binomial(requests, rate)))


def rollout(rng: np.random.Generator, rates: Rates, looks: int, controls: int) -> tuple[str, int]:
    """('fail' | 'pass' | 'inconclusive', seconds). rates: look → (canary's, control's) share of bad requests."""
    evidence = ExcessEvidence()
    canary = control = RequestCounts()
    for look in range(1, looks + 1):
        bad, usual = rates(look)
        one, other = draw(rng, 1, bad), draw(rng, controls, usual)
        evidence.add(one, other)
        canary, control = canary + one, control + other
        seconds = look * LOOK_SECONDS
        if evidence.log_value >= math.log(1 / ALPHA):
            return "fail", seconds
        if seconds >= MIN_SECONDS and shown_below(canary, control, MARGIN, ALPHA):
            return "pass", seconds
    return "inconclusive", looks * LOOK_SECONDS


def alarms(rng: np.random.Generator, rates: Rates, looks: int, controls: int) -> bool:
    """Whether the evidence ever reaches its limit when nobody stops at a pass: the worst case for false alarms."""
    evidence = ExcessEvidence()
    for look in range(1, looks + 1):
        bad, usual = rates(look)
        evidence.add(draw(rng, 1, bad), draw(rng, controls, usual))
        if evidence.log_value >= math.log(1 / ALPHA):
            return True
    return False


def steady(bad: float, usual: float) -> Rates:
    return lambda _look: (bad, usual)


def outage(usual: float) -> Rates:
    return lambda look: (0.3, 0.3) if 30 <= look < 40 else (usual, usual)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rollouts", type=int, default=4000)
    parser.add_argument("--looks", type=int, default=100)
    args = parser.parse_args()
    rng = np.random.default_rng(20261123)
    print(f"{args.rollouts} rollouts, {args.looks} looks, limit for false alarms {ALPHA:.0%}, margin {MARGIN:.0%}")
    for controls in (1, 5):
        for name, rates in (
            ("0.1 % errors", steady(0.001, 0.001)),
            ("1 % errors", steady(0.01, 0.01)),
            ("5 % errors", steady(0.05, 0.05)),
            ("1 % errors, outage of both", outage(0.01)),
        ):
            found = sum(alarms(rng, rates, args.looks, controls) for _ in range(args.rollouts)) / args.rollouts
            print(f"A/A, {controls} control hosts, {name:28} ever an alarm: {found:.2%}")
    few = max(args.rollouts // 4, 1)
    for name, rates in (
        ("canary 0 %, control 0 %", steady(0.0, 0.0)),
        ("canary 0.5 %, control 0.5 %", steady(0.005, 0.005)),
        ("canary 2 %, control 0 %", steady(0.02, 0.0)),
        ("canary 2.5 %, control 0.5 %", steady(0.025, 0.005)),
        ("canary 5 %, control 0 %", steady(0.05, 0.0)),
        ("canary 5 %, control 1 %", steady(0.05, 0.01)),
    ):
        ends = [rollout(rng, rates, 300, 5) for _ in range(few)]
        shares = {kind: sum(end == kind for end, _ in ends) / few for kind in ("pass", "fail", "inconclusive")}
        seconds = np.array([second for _, second in ends])
        said = ", ".join(f"{kind} {share:.1%}" for kind, share in shares.items())
        median, most, longest = np.percentile(seconds, [50, 99, 100])
        print(f"{name:28} {said}; seconds: median {median:.0f}, 99 % {most:.0f}, longest {longest:.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
