"""Match and score a large fleet: `python benchmarks/fleet_match.py [--hosts 1000] [--packages 400] [--advisories 6000] [--level 4]`.

Makes a fleet (fleet_rows.py) in a PostgreSQL of its own and measures, each in a process of its own: the whole match and
score, the same again without a change, one host, 50 new advisories (several times, other ones each); and for comparison SQL
that goes row by row, and a Python loop over hosts. Those two are run on a sample of the hosts and multiplied: the table says
on how many. Both have to find what the engine found on these hosts, with the same priorities and scores, and the runs after
the 50 advisories have to leave what a whole run leaves: else the benchmark fails. What the inventory does for the matching
(holdings) is measured before it, on its own. Seconds of the wall clock depend on who else uses the machine; the processors'
seconds (client and database) less.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fleet_rows import NOW, FleetSize, MadeFleet
from suture.command.postgres import EmbeddedPostgres
from suture.inventory.debian_version import sort_key
from suture.inventory.matching import match_all, match_hosts
from suture.model.assets import AssetRegister
from suture.risk.decision import decide
from suture.risk.facts import CveFacts
from suture.risk.policies import RiskPolicy
from suture.risk.scoring import Decider, facts_from_row, profile_of, score_all
from suture.store import Store, migrate
from suture.store.holdings import keep_holdings

ROOT = Path(__file__).resolve().parents[1]
ROWS_PER_SAMPLE = 5  # row by row is so much quicker than the Python loop that it gets more hosts
POLICY_DIR = ROOT / "include" / "policy"
# What a script of that kind writes into: one plain row a finding, with the keys that readers of the rows need. It hides the
# view, keeps no summary and, being temporary, writes no log: that is in its favour.
PLAIN_TABLE = "CREATE TEMPORARY TABLE finding (LIKE own_finding INCLUDING ALL) ON COMMIT DROP"
PATCHED = "UPDATE host_package SET source_version = '2.9-9' WHERE abs(hashtext(host_id)) % 100 = 0 AND package < 'package0010'"
ROW_BY_ROW = """
CREATE FUNCTION pg_temp.match_row_by_row(sample text[]) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    installed record;
    found record;
    decided record;
    made integer := 0;
BEGIN
    FOR installed IN
        SELECT hp.*, h.os_codename, h.asset_group, h.criticality, h.exposure, v.sort_key
        FROM host_package hp JOIN host h USING (host_id) JOIN debian_version v ON v.version = hp.source_version
        WHERE hp.host_id = any(sample)
    LOOP
        FOR found IN
            SELECT a.* FROM advisory a JOIN debian_version f ON f.version = a.fixed_version
            WHERE a.source_package = installed.source_package AND a.codename = installed.os_codename
              AND installed.sort_key < f.sort_key
        LOOP
            INSERT INTO finding (host_id, advisory_id, source_package, installed_version, fixed_version, packages, status,
                priority, deadline, first_seen_at, scored_at)
            VALUES (installed.host_id, found.advisory_id, installed.source_package, installed.source_version,
                found.fixed_version, ARRAY[installed.package], 'open', 'scheduled', now(), now(), now())
            ON CONFLICT (host_id, advisory_id) DO UPDATE SET packages = finding.packages || excluded.packages;
            SELECT * INTO decided FROM decision d
            WHERE d.superseded_at IS NULL AND d.advisory_id = found.advisory_id AND d.asset_group = installed.asset_group
              AND d.criticality = installed.criticality AND d.exposure = installed.exposure;
            UPDATE finding SET priority = decided.priority, score = decided.score, decision_id = decided.decision_id,
                deadline = now() + make_interval(secs => decided.within_hours * 3600), priority_since = now()
            WHERE host_id = installed.host_id AND advisory_id = found.advisory_id;
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END $$"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1_000)
    parser.add_argument("--packages", type=int, default=400)
    parser.add_argument("--advisories", type=int, default=6_000)
    parser.add_argument("--level", type=int, default=4, help="how far the least patched hosts are, of 12 (default 4)")
    parser.add_argument("--sample", type=int, default=5, help="hosts on which the slow ones are run")
    parser.add_argument("--times", type=int, default=5, help="how often 50 new advisories come (default 5)")
    parser.add_argument(
        "--debsecan", type=Path, help="the program debsecan, to run on one host's packages and these advisories"
    )
    parser.add_argument("--only-growth", action="store_true", help="the whole run only, without comparisons")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help="an empty database to use, instead of a server of its own")
    args = parser.parse_args()
    if args.task:
        return _child(args)
    if args.dsn:
        _compare(args, args.dsn)
        return 0
    with tempfile.TemporaryDirectory(prefix="suture-bench-") as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}
        server = EmbeddedPostgres(Path(folder), port, server_settings=quick)
        server.start()
        try:
            _compare(args, server.dsn())
        finally:
            server.stop(immediate=True)
            server.destroy()
    return 0


def _compare(args: argparse.Namespace, dsn: str) -> None:
    migrate(dsn)
    fleet = MadeFleet(FleetSize(args.hosts, args.packages, advisories=args.advisories, level=args.level))
    started = time.monotonic()
    with Store.connect(dsn) as store:
        store._connection.execute("SET statement_timeout = 0")
        fleet.load(store)
        store._connection.execute("VACUUM ANALYZE")
        print(f"{args.hosts} hosts loaded in {time.monotonic() - started:.0f} s", flush=True)
        kept = _measure(args, dsn, "holdings")
        store._connection.execute("VACUUM ANALYZE")
        whole = _measure(args, dsn, "whole")
        _print("keeping what hosts have, all new", kept, whole)
        findings = _one(store, "SELECT count(*) FROM finding")
        decisions = _one(store, "SELECT count(*) FROM decision")
        print(f"{findings} findings, {decisions} decisions", flush=True)
        _print("whole match and score", whole, whole)
        store._connection.execute("VACUUM ANALYZE")
        _print("again, nothing changed", _measure(args, dsn, "again"), whole)
        if args.only_growth:
            return
        _print("one host", _measure(args, dsn, "one"), whole)
        _few_advisories(args, dsn, fleet, store, whole)
        left = _fingerprint(store)
        check = _measure(args, dsn, "check")
        if _fingerprint(store) != left:
            raise SystemExit("the runs over 50 advisories did not leave what a whole run leaves")
        print(f"a whole run after the 50 changes changes nothing: {check['said']}", flush=True)
        rows = args.sample * ROWS_PER_SAMPLE
        _print(f"row by row in SQL ({rows} hosts)", _measure(args, dsn, "rows"), whole, args.hosts / rows)
        _print(f"Python loop ({args.sample} hosts)", _measure(args, dsn, "python"), whole, args.hosts / args.sample)
        if args.debsecan:
            _debsecan(store, args.debsecan, whole, args.hosts)
        store._connection.execute(PATCHED)
        _print("keeping it, a hundredth patched", _measure(args, dsn, "holdings"), whole)
        _reads(store)


def _few_advisories(
    args: argparse.Namespace, dsn: str, fleet: MadeFleet, store: Store, whole: dict[str, Any]
) -> None:  # fmt: skip
    """Fifty advisories, and other fifty: a run of a sixth of a second is as quick as the machine is in it."""
    taken = []
    for _ in range(args.times):
        fleet.add_advisories(store, 50)
        taken.append(_measure(args, dsn, "changes"))
        _print("50 new advisories", taken[-1], whole)
    cpu = statistics.median(found["cpu"] for found in taken)
    wall = statistics.median(found["seconds"] for found in taken)
    print(
        f"50 new advisories, median of {args.times}: {wall:.3f} s, 1/{whole['seconds'] / wall:.0f} of the whole; "
        f"{cpu:.3f} s cpu, 1/{whole['cpu'] / cpu:.0f} of the whole",
        flush=True,
    )


def _fingerprint(store: Store) -> list[Any]:
    """Of everything that the findings say, and of the summary."""
    said = "host_id, advisory_id, installed_version, fixed_version, packages, conditions, status, priority, score, deadline"
    row = store._connection.execute(
        f"SELECT count(*), sum(hashtextextended(concat_ws('|', {said}, decision_id), 0)) FROM finding"  # noqa: S608
    ).fetchone()
    summary = store.fetch_all("risk/list_risk_summary", {"now": NOW})
    return [row, [{**found, "summed_at": None} for found in summary]]


def _debsecan(store: Store, program: Path, whole: dict[str, Any], hosts: int) -> None:
    """debsecan on one host, fed with the same advisories from a file, against that host's share of the whole run."""
    host = "host-000007"
    advisories = store._connection.execute("SELECT * FROM advisory ORDER BY advisory_id").fetchall()
    packages = store._connection.execute("SELECT * FROM host_package WHERE host_id = %s", (host,)).fetchall()
    names = [f"{row['advisory_id'].replace(',', ' ')},0,made" for row in advisories]
    spans = [f"{row['source_package']},{place},S ?F,{row['fixed_version']}," for place, row in enumerate(advisories)]
    with tempfile.TemporaryDirectory() as folder:
        text = "\n".join(["VERSION 1", *names, "", *spans, "", ""]) + "\n"
        (Path(folder) / "bookworm").write_bytes(zlib.compress(text.encode()))
        status = Path(folder) / "status"
        status.write_text(
            "".join(
                f"Package: {row['package']}\nStatus: install ok installed\nSource: {row['source_package']}\n"
                f"Version: {row['version']}\nArchitecture: amd64\n\n"
                for row in packages
            )
        )
        command = ["/usr/bin/python3", str(program), "--suite", "bookworm", "--source", f"file://{folder}"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*command, "--status", str(status)], stdout=subprocess.PIPE, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = {line.split(" ")[0] for line in done.stdout.splitlines()}
    rows = store._connection.execute("SELECT advisory_id FROM finding WHERE host_id = %s", (host,)).fetchall()
    same = said == {row["advisory_id"] for row in rows}
    share = whole["cpu"] / hosts
    print(
        f"debsecan on {host}: {seconds:.3f} s cpu, {len(said)} findings ({'the same' if same else 'OTHERS'}); a host's share "
        f"of the whole run {share:.5f} s cpu: {seconds / share:.0f} times cheaper",
        flush=True,
    )


def _reads(store: Store) -> None:
    """How long the readers of a page wait."""
    store._connection.execute("VACUUM ANALYZE")
    asked: dict[str, dict[str, Any]] = {
        "report/count_open_findings": {"at": NOW},
        "report/list_fleet_hosts": {"at": NOW},
        "campaign/list_campaigns": {"state": None},
        "finding/list_host_findings": {"host_id": "host-000001"},
        "risk/list_risk_summary": {"now": NOW},
    }
    for name, params in asked.items():
        started = time.monotonic()
        rows = store.fetch_all(name, params)
        print(f"{name:<34} {time.monotonic() - started:8.3f} s  {len(rows)} rows", flush=True)


def _print(name: str, taken: dict[str, Any], whole: dict[str, Any], times: float = 1.0) -> None:
    wall, cpu = taken["seconds"] * times, taken["cpu"] * times
    print(
        f"{name:<34} {wall:10.3f} s {cpu:10.3f} s cpu  {cpu / whole['cpu']:10.4f} of the whole  "
        f"client {taken['rss_mib']:5.0f} MiB  {taken['said']}",
        flush=True,
    )


def _measure(args: argparse.Namespace, dsn: str, task: str) -> dict[str, Any]:
    command = [sys.executable, __file__, "--task", task, "--dsn", dsn, "--sample", str(args.sample)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _child(args: argparse.Namespace) -> int:
    policy, register = RiskPolicy.load(POLICY_DIR), AssetRegister.load(POLICY_DIR)
    with Store.connect(args.dsn) as store:
        backend = store._connection.info.backend_pid
        tasks: dict[str, Callable[[], Any]] = {
            "holdings": lambda: f"{keep_holdings(store)} hosts",
            "whole": lambda: _match(store, policy, register, whole=True),
            "again": lambda: _match(store, policy, register, whole=True),
            "check": lambda: _match(store, policy, register, whole=True, score_whole=True),
            "changes": lambda: _match(store, policy, register, whole=False),
            "one": lambda: match_hosts(store, ["host-000007"], **_options(store, policy, register)).sentence,
            "rows": lambda: _row_by_row(store, args.sample * ROWS_PER_SAMPLE),
            "python": lambda: _python_loop(store, policy, register, args.sample),
        }
        started, before = time.monotonic(), _cpu(backend)
        said = tasks[args.task]()
        seconds, after = time.monotonic() - started, _cpu(backend)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": after - before, "rss_mib": peak, "said": said}))
    return 0


def _options(store: Store, policy: RiskPolicy, register: AssetRegister) -> dict[str, Any]:
    return {
        "now": NOW,
        "unscored_priority": policy.unscored_priority,
        "unscored_deadline": policy.unscored_deadline,
        "decide": Decider(store, policy, register, now=NOW),
    }


def _match(store: Store, policy: RiskPolicy, register: AssetRegister, *, whole: bool, score_whole: bool = False) -> str:
    started = time.monotonic()
    matched = match_all(store, whole=whole, **_options(store, policy, register))
    between = time.monotonic()
    scored = score_all(store, policy, register, now=NOW, whole=score_whole)
    return (
        f"match {between - started:.1f} s: {matched.new} new, {matched.fixed + matched.withdrawn} closed; "
        f"score {time.monotonic() - between:.1f} s: {scored.changed} changed"
    )


def _sample(store: Store, count: int) -> list[str]:
    rows = store._connection.execute(
        "SELECT host_id FROM host ORDER BY hashtext(host_id) LIMIT %s", (count,)
    ).fetchall()
    return [row["host_id"] for row in rows]


def _row_by_row(store: Store, count: int) -> str:
    """As a stored procedure would do it: a finding is inserted and scored on its own. Rolled back."""
    hosts = _sample(store, count)
    found = _found(store, hosts)
    with store._connection.transaction(force_rollback=True):
        store._connection.execute(PLAIN_TABLE)
        store._connection.execute(ROW_BY_ROW)
        row = store._connection.execute("SELECT pg_temp.match_row_by_row(%s) AS made", (hosts,)).fetchone()
        _same(store, hosts, found)
    return f"{row['made'] if row else 0} package rows found open"


def _python_loop(store: Store, policy: RiskPolicy, register: AssetRegister, count: int) -> str:
    """As a script over hosts would do it: every package against every advisory of its source, each finding decided."""
    connection, hosts, made = store._connection, _sample(store, count), 0
    found = _found(store, hosts)
    with connection.transaction(force_rollback=True):
        connection.execute(PLAIN_TABLE)
        for host_id in hosts:
            host = connection.execute("SELECT * FROM host WHERE host_id = %s", (host_id,)).fetchone()
            assert host is not None
            profile = profile_of(host, register)
            done = set()
            for package in connection.execute("SELECT * FROM host_package WHERE host_id = %s", (host_id,)).fetchall():
                wanted = (package["source_package"], host["os_codename"])
                for advisory in connection.execute(
                    "SELECT * FROM advisory WHERE source_package = %s AND codename = %s", wanted
                ).fetchall():
                    sort_key.cache_clear()
                    if sort_key(package["source_version"]) >= sort_key(advisory["fixed_version"]):
                        continue
                    if advisory["advisory_id"] in done:
                        continue
                    done.add(advisory["advisory_id"])
                    rows = store.fetch_all("cve/list_cve_facts", {"advisory_ids": [advisory["advisory_id"]]})
                    facts: list[CveFacts] = [facts_from_row(row) for row in rows]
                    decision = decide(facts, profile, policy)
                    connection.execute(
                        "INSERT INTO finding (host_id, advisory_id, source_package, installed_version, fixed_version,"
                        " packages, status, priority, score, deadline, first_seen_at, scored_at)"
                        " VALUES (%s, %s, %s, %s, %s, %s, 'open', %s, %s, %s, %s, %s)",
                        (host_id, advisory["advisory_id"], package["source_package"], package["source_version"],
                         advisory["fixed_version"], [package["package"]], decision.priority.value, decision.score,
                         NOW + decision.within, NOW, NOW),
                    )  # fmt: skip
                    made += 1
        _same(store, hosts, found)
    return f"{made} findings"


def _found(store: Store, hosts: list[str]) -> list[Any]:
    return store._connection.execute(
        "SELECT host_id, advisory_id, installed_version, fixed_version, priority, score FROM finding"
        " WHERE host_id = any(%s) AND status = 'open' ORDER BY host_id, advisory_id", (hosts,)
    ).fetchall()  # fmt: skip


def _same(store: Store, hosts: list[str], found: list[Any]) -> None:
    if not found or _found(store, hosts) != found:
        raise SystemExit("the slow way finds something else than the engine")


def _one(store: Store, statement: str) -> int:
    row = store._connection.execute(statement.encode()).fetchone()
    return int(next(iter(row.values()))) if row else 0


def _cpu(backend: int) -> float:
    """Processor seconds of this process and of its database session (not of its parallel helpers)."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    fields = Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()
    return own.ru_utime + own.ru_stime + (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    sys.exit(main())
