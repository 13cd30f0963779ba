"""`python -m lab`: the practice fleet from the command line."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from lab import fleet
from lab.doctor import doctor
from suture.errors import SutureError

HOST_VERBS = ("start", "stop", "kill", "reboot", "cut_off", "reconnect")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        return int(_run(options))
    except SutureError as error:
        if options.verb in ("boot", "purge"):
            print(json.dumps({"message": error.message, "remedy": error.remedy}))
            return 1
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab", description="The practice fleet of real Debian hosts.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="start the fleet").add_argument("hosts", nargs="*")
    verbs.add_parser("down", help="end it").add_argument("--purge", action="store_true", help="remove its disks too")
    verbs.add_parser("status", help="what runs").add_argument("--json", action="store_true")
    for verb in ("boot", "purge"):  # fleet.up() and fleet.down() run these in a process of their own
        verbs.add_parser(verb)
    verbs.add_parser("doctor", help="what this machine lacks").add_argument("--json", action="store_true")
    verbs.add_parser("renew", help="hosts as they were when built").add_argument("hosts", nargs="*")
    verbs.add_parser("publish", help="the vendor publishes these versions").add_argument("versions", nargs="+")
    verbs.add_parser("load", help="the load's rate").add_argument("rate_per_s", type=float)
    for verb in HOST_VERBS:
        verbs.add_parser(verb.replace("_", "-"), help=f"{verb.replace('_', ' ')} one host").add_argument("host")
    for verb in ("snapshot", "restore"):
        sub = verbs.add_parser(verb, help=f"{verb} one host's disk")
        sub.add_argument("host")
        sub.add_argument("tag")
    runner = verbs.add_parser("exec", help="run a command on a host")
    runner.add_argument("host")
    runner.add_argument("argv", nargs=argparse.REMAINDER)
    return parser


def _run(options: argparse.Namespace) -> int:
    verb = options.verb.replace("-", "_")
    if verb == "up":
        started_at = time.monotonic()
        fleet.up(hosts=options.hosts or None)
        print(f"The practice fleet is up ({time.monotonic() - started_at:.1f} s).")
    elif verb == "down":
        fleet.down(purge=options.purge)
    elif verb in ("boot", "purge"):
        getattr(fleet, verb)()
    elif verb == "status":
        return _status(as_json=options.json)
    elif verb == "doctor":
        return _doctor(as_json=options.json)
    elif verb == "renew":
        fleet.renew(options.hosts or None)
    elif verb == "publish":
        fleet.publish(options.versions)
    elif verb == "load":
        fleet.set_load(options.rate_per_s)
    elif verb == "exec":
        done = fleet.exec(options.host, options.argv)
        sys.stdout.write(done.stdout)
        sys.stderr.write(done.stderr)
        return done.returncode
    elif verb in ("snapshot", "restore"):
        getattr(fleet, verb)(options.host, options.tag)
    else:
        getattr(fleet, verb)(options.host)
    return 0


def _status(*, as_json: bool) -> int:
    found = fleet.status()
    if as_json:
        print(json.dumps(found, indent=2))
    elif not found["running"]:
        print("The practice fleet is not running.")
    else:
        for name, host in found["hosts"].items():
            cable = "  (cut off)" if host["cut_off"] else ""
            booted = f"{host['booted_in_s']} s" if host["booted_in_s"] is not None else "-"
            print(f"{name:10} {host['address']:12} {host['state']:8} booted in {booted}{cable}")
    return 0 if found["running"] else 1


def _doctor(*, as_json: bool) -> int:
    findings = doctor()
    if as_json:
        print(json.dumps([vars(found) for found in findings], indent=2))
    else:
        print("\n".join(map(str, findings)) or "This machine can host the practice fleet.")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
