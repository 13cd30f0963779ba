"""CVSS at fleet size: `python benchmarks/cvss_fleet.py [--rows 2000000] [--vectors 20000] [--library-rows 20000]`.

A fleet's findings repeat few vectors: rows are drawn from every base vector of 2.0 (729), 3.0 and 3.1 (2,592 each), and from
random vectors of each version with a share of their optional metrics, each row with one of five asset profiles (none, and the
requirements of four criticalities).

1. Scores: every distinct pair of vector and profile through `assess_columns`, and through the `cvss` library with the same
   requirements written into the vector. Every difference is counted and shown; one makes the status 1.
2. Time a row: the columns (from cold, their memo emptied), the batch verb's lines, and one `assess` after the other, against
   the library on a random share of the same rows, all in this run, in processor seconds of this process.

The seed is fixed.
"""

from __future__ import annotations

import argparse
import io
import itertools
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np
from cvss import CVSS2, CVSS3, CVSS4, constants2, constants3, constants4

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from suture.command.verbs import cvss as cvss_verb
from suture.model import Criticality
from suture.risk import cvss_lanes, cvss_scoring
from suture.risk.cvss_scoring import NO_REQUIREMENTS, REQUIREMENTS, assess, assess_columns

GRAMMAR: Mapping[str, tuple[Mapping[str, Sequence[str]], Sequence[str]]] = {
    "": (constants2.METRICS_VALUES, constants2.METRICS_MANDATORY),
    "CVSS:3.0/": (constants3.METRICS_VALUES, constants3.METRICS_MANDATORY),
    "CVSS:3.1/": (constants3.METRICS_VALUES, constants3.METRICS_MANDATORY),
    "CVSS:4.0/": (constants4.METRICS_VALUE_NAMES, constants4.METRICS_MANDATORY),
}
PROFILES = [NO_REQUIREMENTS, *(REQUIREMENTS[level] for level in Criticality)]


def all_base(prefix: str) -> list[str]:
    values, names = GRAMMAR[prefix]
    products = itertools.product(*(values[name] for name in names))
    return [prefix + "/".join(f"{n}:{w}" for n, w in zip(names, words, strict=True)) for words in products]


def drawn(rng: random.Random, prefix: str) -> str:
    """A random vector, its fields in any order, with none, some or all of the optional metrics."""
    values, mandatory = GRAMMAR[prefix]
    share = rng.choice([0.0, 0.1, 0.5, 1.0])
    fields = [f"{n}:{rng.choice(list(w))}" for n, w in values.items() if n in mandatory or rng.random() < share]
    rng.shuffle(fields)
    return prefix + "/".join(fields)


def by_library(vector: str, profile: Mapping[str, str]) -> float:
    """The overall score of a vector, with the requirements that it leaves open written into it."""
    if profile:
        fields = vector.split("/")
        stated = {field.partition(":")[0]: field.partition(":")[2] for field in fields}
        open_ones = {name for name in profile if stated.get(name, "X") in ("X", "ND")}
        kept = [field for field in fields if field.partition(":")[0] not in open_ones]
        vector = "/".join([*kept, *(f"{name}:{profile[name]}" for name in sorted(open_ones))])
    if vector.startswith("CVSS:4"):
        return float(CVSS4(vector).base_score)
    if vector.startswith("CVSS:3"):
        return float(CVSS3(vector).scores()[2])
    return float([score for score in CVSS2(vector).scores() if score is not None][-1]) + 0.0


def library_base(vector: str) -> float:
    if vector.startswith("CVSS:4"):
        names = {"CVSS", *constants4.METRICS_MANDATORY}
        return float(CVSS4("/".join(f for f in vector.split("/") if f.partition(":")[0] in names)).base_score)
    return float((CVSS3 if vector.startswith("CVSS:3") else CVSS2)(vector).scores()[0]) + 0.0


def forget() -> None:
    cvss_scoring._assess.cache_clear()
    cvss_lanes._engine_of.cache_clear()


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(vectors: Sequence[str]) -> tuple[int, list[str]]:
    """(pairs compared, differences), for each vector with each profile."""
    rows = [vector for vector in vectors for _ in PROFILES]
    profile = np.tile(np.arange(len(PROFILES)), len(vectors))
    found = assess_columns(rows, PROFILES, profile)
    wrong = [f"{vector}: {why}" for vector, why in found.errors.items()]
    for number, vector in enumerate(rows):
        expected = by_library(vector, PROFILES[profile[number]])
        if found.overall[number] != expected:
            wrong.append(f"{vector} {PROFILES[profile[number]]}: {found.overall[number]}, the library {expected}")
        if not profile[number] and found.base[number] != library_base(vector):
            wrong.append(f"{vector}: base {found.base[number]}, the library {library_base(vector)}")
    return len(rows), wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="findings of the fleet")
    parser.add_argument("--vectors", type=int, default=20_000, help="random vectors of 4.0 (a quarter of it of each other version)")
    parser.add_argument("--timed-vectors", type=int, default=3_000, help="random vectors beside the base ones in the timed rows")
    parser.add_argument("--library-rows", type=int, default=20_000, help="rows that the library is timed on")
    args = parser.parse_args()
    rng = random.Random(2026)
    sizes = {"": args.vectors // 4, "CVSS:3.0/": args.vectors // 4, "CVSS:3.1/": args.vectors // 4, "CVSS:4.0/": args.vectors}
    pool = [*all_base(""), *all_base("CVSS:3.0/"), *all_base("CVSS:3.1/")]
    print(f"base vectors: {len(pool)} (2.0: 729, 3.0: 2,592, 3.1: 2,592)")
    pool += [drawn(rng, prefix) for prefix, count in sizes.items() for _ in range(count)]
    pool = list(dict.fromkeys(pool))
    pairs, wrong = compare(pool)
    print(f"{len(pool)} vectors, {pairs} pairs with a profile: {len(wrong)} differences from the library")
    print("\n".join(wrong[:10]))

    pool = [*pool[:5913], *rng.sample(pool[5913:], min(args.timed_vectors, len(pool) - 5913))]
    places = np.random.default_rng(2026).integers(len(pool), size=args.rows)
    rows = [pool[place] for place in places]
    profile = np.random.default_rng(7).integers(len(PROFILES), size=args.rows)
    some = rng.sample(range(args.rows), min(args.library_rows, args.rows))
    library = seconds(lambda: [by_library(rows[n], PROFILES[profile[n]]) for n in some]) / len(some)
    bare = seconds(lambda: [by_library(rows[n], NO_REQUIREMENTS) for n in some]) / len(some)

    forget()
    columns = seconds(lambda: assess_columns(rows, PROFILES, profile)) / len(rows)
    warm = seconds(lambda: assess_columns(rows, PROFILES, profile)) / len(rows)
    forget()
    singly = seconds(lambda: [assess(rows[n], PROFILES[profile[n]]) for n in range(len(rows))]) / len(rows)
    forget()
    content = io.BytesIO("\n".join(rows).encode())

    def batch() -> None:
        with patch.object(sys, "stdout", io.StringIO()):
            cvss_verb._print_all(cvss_verb._blocks(content), cvss_verb._Lines(None, False))

    lines = seconds(batch) / len(rows)
    print(f"{args.rows} rows, {len(pool)} distinct vectors, {len(PROFILES)} profiles; processor time a row:")
    for name, own, other in (
        ("cvss library, with requirements", library, library),
        ("columns, cold", columns, library),
        ("columns, again", warm, library),
        ("assess, one by one, cold", singly, library),
        ("cvss library, the vector alone", bare, bare),
        ("batch verb, cold, with its lines", lines, bare),
    ):
        print(f"  {name:34} {own * 1e6:9.3f} microseconds   {other / own:8.1f} x")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
