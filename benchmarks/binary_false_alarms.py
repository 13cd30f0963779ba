"""How often the examiner `binary` cries wolf: over real pairs of packages, an older version and the update that followed it.

    python benchmarks/binary_false_alarms.py [--folder DIR] [--set tuning|held-out|all] [--alone] [--write FILE]

The pairs come from the machine's own apt sources (archive_pairs.py fetches them first). Every one is an update that the archive
really shipped, so each concern that policy would show for review or refuse counts as a false alarm, whatever its reason. The share
must stay below 2 %. Notes are counted, too: they are what a reader of a record sees.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from archive_pairs import DEFAULT_FOLDER, collect, load

from suture.settings import PROJECT_ROOT
from suture.sourcing.analysis import binary
from suture.sourcing.analysis.pool import examine_all
from suture.sourcing.examination import Action, Actions, Concern, Examination, Subject, load_policy

MOST_SHARE = 0.02
CHUNK = 20  # results are written as they come: a long run that is stopped has not been for nothing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--set", choices=("tuning", "held-out", "all"), default="all")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--most", type=int, help="only the first so many pairs")
    parser.add_argument("--write", type=Path, help="every concern, as JSON lines")
    parser.add_argument("--alone", action="store_true", help="without the older packages: what is raised at first sight")
    parser.add_argument(
        "--resume", action="store_true", help="go on after what --write holds, of a run that was stopped"
    )
    arguments = parser.parse_args()
    if not (arguments.folder / "pairs.json").is_file():
        collect(arguments.folder, sources=300, limit_bytes=12_000_000)
    subjects = load(arguments.folder, arguments.set)[: arguments.most]
    if arguments.alone:
        subjects = [Subject(new=subject.new) for subject in subjects]
    actions = load_policy(PROJECT_ROOT / "include" / "policy").actions
    started = time.perf_counter()
    found: list[Examination] = []
    if arguments.write and arguments.resume and arguments.write.is_file():
        found = [_read(line) for line in arguments.write.read_text("utf-8").splitlines()]
    elif arguments.write:
        arguments.write.unlink(missing_ok=True)
    for start in range(len(found), len(subjects), CHUNK):
        done = examine_all(subjects[start : start + CHUNK], [binary.examine], workers=arguments.workers)
        found.extend(done)
        if arguments.write:
            with arguments.write.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(examination.as_dict(actions)) + "\n" for examination in done)
    took_s = time.perf_counter() - started
    return report(found, actions, took_s)


def report(found: Sequence[Examination], actions: Actions, took_s: float) -> int:
    alarms = [e for e in found if actions.sternest([e]) in (Action.REVIEW, Action.REFUSE)]
    with_code = [e for e in found if e.facts.get("files", {}).get("elf") or e.facts.get("files", {}).get("scripts")]
    kinds: Counter[tuple[str, str]] = Counter()
    for examination in found:
        for kind in {concern.kind for concern in examination.concerns}:
            kinds[(actions.of(examination.examiner, kind).value, kind)] += 1
    for (action, kind), count in sorted(kinds.items()):
        print(f"{action:7} {kind:26} in {count} pairs")
    for examination in alarms:
        for concern in examination.concerns:
            action = actions.of(examination.examiner, concern.kind)
            if action is not Action.NOTE:
                print(
                    f"ALARM {action} {examination.package} {examination.against} to {examination.version}: "
                    f"{concern.kind}: {concern.sentence}"
                )
    share = len(alarms) / len(found)
    in_code = sum(e in with_code for e in alarms)
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{len(found)} pairs of packages, {len(with_code)} with changed programs or scripts; {took_s:.0f} s, "
        f"largest worker {peak_mib:.0f} MiB"
    )
    print(
        f"alarms: {len(alarms)} ({share:.2%} of all; {in_code} of {len(with_code)} with code, {in_code / max(len(with_code), 1):.2%})"
    )
    return 0 if share < MOST_SHARE else 1


def _read(line: str) -> Examination:
    plain = json.loads(line)
    concerns = tuple(Concern(c["kind"], c["subject"], c["sentence"], c["details"]) for c in plain["concerns"])
    names = ("examiner", "package", "version", "architecture", "against")
    return Examination(*(plain[name] for name in names), concerns, plain["facts"], plain["seconds"])


if __name__ == "__main__":
    raise SystemExit(main())
