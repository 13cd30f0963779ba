"""How long each page takes: `python benchmarks/pages.py [--hosts 1000] [--campaigns 60] [--repeat 3]`.

Makes a fleet (fleet_rows.py) in a PostgreSQL of its own, its findings by two statements (how long matching and scoring
take is fleet_match.py's question), campaigns (one of a thousand hosts), acceptances, trains, weighed windows and
comparisons, and what page_rows.py has; then asks for each page as Airflow serves it (FastAPI's TestClient). The first answer
and the median of the others, in seconds of the wall clock.
`--serve` leaves the pages open on loopback, without any authentication, to be looked at in a browser (pages_in_browser.py).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plugins"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fastapi import FastAPI
from fastapi.testclient import TestClient

from benchmarks.fleet_rows import FleetSize, MadeFleet
from benchmarks.page_rows import fill_feeds, fill_sourcing, halt
from suture.campaign import create_campaign
from suture.command.postgres import EmbeddedPostgres
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.model.assets import AssetRegister
from suture.model.candidate import Candidates, CandidateWindow
from suture.risk.acceptance_policy import AcceptancePolicy
from suture.risk.acceptance_request import AcceptanceForm, request_acceptance
from suture.risk.acceptance_signing import ACCEPT, fetch_acceptance, sign, vote
from suture.risk.capacity import CapacityPolicy
from suture.risk.capacity_run import write_trains
from suture.risk.exposure_cost import ExposurePolicy
from suture.risk.strategy_review import review_strategies
from suture.risk.window_choice import weigh_campaigns
from suture.store import Store, migrate
from suture_airflow.ui import URL_PREFIX
from suture_airflow.ui.access import reader
from suture_airflow.ui.pages import build

ROOT = Path(__file__).resolve().parents[1]
POLICY_DIR = ROOT / "include" / "policy"
MEMBERS = {"risk_owner": "rosa", "change_manager": "amir", "service_owner": "vera"}
NOW = datetime.now(UTC)
MADE_FINDINGS = (
    """
    INSERT INTO decision (advisory_id, asset_group, criticality, exposure, priority, priority_rank, score, within_hours,
        reasons, decided_at)
    SELECT advisory_id, asset_group, criticality, exposure,
        (ARRAY['immediate', 'out_of_cycle', 'scheduled', 'defer'])[rank + 1], rank,
        CASE WHEN abs(hashtext(advisory_id)) % 20 > 0 THEN 9.8 - 2 * rank END, 24 * 7 * (rank + 1),
        jsonb_build_object('state', 'scored', 'inputs', '[]'::jsonb, 'cves', '[]'::jsonb, 'sentence',
            'No exploitation is known, EPSS is 0.02, the hosts are ' || exposure || ' and of ' || criticality || ' criticality.'),
        now()
    FROM advisory
    CROSS JOIN (SELECT DISTINCT asset_group, criticality, exposure FROM host) AS kind
    CROSS JOIN LATERAL (
        SELECT CASE WHEN draw = 0 THEN 0 WHEN draw < 5 THEN 1 WHEN draw < 45 THEN 2 ELSE 3 END AS rank
        FROM (SELECT abs(hashtext(advisory_id || asset_group)) % 100 AS draw) AS drawn
    ) AS ranked
    """,
    """
    INSERT INTO own_finding (host_id, advisory_id, source_package, installed_version, fixed_version, packages, status, priority,
        score, deadline, first_seen_at, priority_since, scored_at, decision_id, conditions)
    SELECT host.host_id, advisory.advisory_id, installed.source_package, installed.source_version, advisory.fixed_version,
        installed.packages, 'open', decision.priority, decision.score,
        seen.at + make_interval(hours => decision.within_hours::integer), seen.at, seen.at, now(), decision.decision_id,
        CASE abs(hashtext(host.host_id || advisory.advisory_id)) % 50 WHEN 0 THEN ARRAY['held'] WHEN 1 THEN
            ARRAY['reboot_pending', 'service_restart_pending'] ELSE '{}' END
    FROM host
    INNER JOIN (
        SELECT host_id, source_package, min(source_version) AS source_version, array_agg(package) AS packages
        FROM host_package GROUP BY host_id, source_package
    ) AS installed ON host.host_id = installed.host_id
    INNER JOIN advisory ON installed.source_package = advisory.source_package
        AND split_part(split_part(installed.source_version, '.', 2), '-', 1)::integer
        < split_part(split_part(advisory.fixed_version, '.', 2), '-', 1)::integer
    INNER JOIN decision ON advisory.advisory_id = decision.advisory_id AND host.asset_group = decision.asset_group
        AND host.criticality = decision.criticality AND host.exposure = decision.exposure
    CROSS JOIN LATERAL (
        SELECT now() - make_interval(days => abs(hashtext(advisory.advisory_id)) % 20) AS at
    ) AS seen
    """,
)
HOSTS_OF_LARGEST, LARGEST = 1_000, "SUT-2026-0001"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1_000)
    parser.add_argument("--packages", type=int, default=400)
    parser.add_argument("--advisories", type=int, default=6_000)
    parser.add_argument("--campaigns", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--serve", type=int, metavar="PORT", help="leave the pages open on loopback afterwards")
    parser.add_argument("--folder", type=Path, help="keep the PostgreSQL in this folder, or take one that was kept")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="suture-pages-") as temporary:
        folder, port = args.folder or Path(temporary) / "warehouse", _free_port()
        kept = (folder / "filled").exists()
        quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "4GB"}
        server = EmbeddedPostgres(folder, port, server_settings=quick)
        server.start()
        try:
            if not kept:
                fill(server.dsn(), args)
                (folder / "filled").touch()
            os.environ["SUTURE_HOME"] = temporary
            os.environ["SUTURE_WAREHOUSE_URL"] = server.dsn()
            measure(server.dsn(), args)
            if args.serve:
                _serve(args.serve)
        finally:
            server.stop()
            if not args.folder:
                server.destroy()
    return 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def fill(dsn: str, args: argparse.Namespace) -> None:
    """The fleet with its findings, and something on every page."""
    started = time.monotonic()
    migrate(dsn)
    with Store.connect(dsn) as store:
        store._connection.execute("SET statement_timeout = 0")  # a busy machine takes minutes over four million rows
        MadeFleet(FleetSize(args.hosts, args.packages, advisories=args.advisories)).load(store)
        store._connection.execute(
            "UPDATE host SET reachable = hashtext(host_id) % 50 <> 0, reboot_required = hashtext(host_id) % 7 = 0"
        )
        store._connection.execute("VACUUM ANALYZE")
        for statement in MADE_FINDINGS:
            store._connection.execute(statement)
            store._connection.execute("VACUUM ANALYZE")
        store.execute("risk/fold_risk_summary", {"now": NOW})
        print(f"findings made after {time.monotonic() - started:.0f} s", flush=True)
        _campaigns(store, args.campaigns)
        _acceptance(store)
        _runs(store)
        fill_feeds(store, POLICY_DIR, now=NOW)
        fill_sourcing(store, POLICY_DIR, now=NOW)
        halt(store, LARGEST, now=NOW)
        store._connection.execute("VACUUM ANALYZE")
    print(f"filled in {time.monotonic() - started:.0f} s", flush=True)


def _campaigns(store: Store, count: int) -> None:
    """Campaigns of twenty hosts, one of a thousand: each carries the findings of three advisories on its hosts."""
    groups = [
        row["asset_group"] for row in store._connection.execute("SELECT DISTINCT asset_group FROM host ORDER BY 1")
    ]
    for number in range(1, count + 1):
        group, size = groups[number % len(groups)], HOSTS_OF_LARGEST if number == 1 else 20
        hosts = tuple(
            row["host_id"]
            for row in store._connection.execute(
                "SELECT host_id FROM host WHERE asset_group = %s ORDER BY host_id OFFSET %s LIMIT %s",
                (group, 0 if number == 1 else number % 25, size),
            )
        )
        advisories = store._connection.execute(
            "SELECT DISTINCT ON (source_package) advisory_id, source_package, fixed_version, priority FROM finding"
            " WHERE host_id = %s AND status = 'open' AND campaign_id IS NULL ORDER BY source_package, finding_id OFFSET %s LIMIT 3",
            (hosts[0], number % 40),
        ).fetchall()
        packages = tuple(
            PlannedPackage(f"package{row['source_package'][-4:]}-0", "amd64", row["fixed_version"], row["source_package"],
                           row["fixed_version"], advisory_id=row["advisory_id"])
            for row in advisories
        )  # fmt: skip
        findings = store._connection.execute(
            "SELECT finding_id FROM finding WHERE host_id = any(%s) AND advisory_id = any(%s)",
            (list(hosts), [row["advisory_id"] for row in advisories]),
        ).fetchall()
        rings = {Ring.CANARY: hosts[:2], Ring.RING_1: hosts[2:10], Ring.RING_2: hosts[10:], Ring.RING_3: ()}
        create_campaign(
            store, campaign_id=f"SUT-2026-{number:04d}", title=f"Security updates for {group}", requested_by="olga",
            priority=list(Priority)[number % 3], deadline=NOW + timedelta(days=number % 20 - 2),
            plan=CampaignPlan(group, "debian-security", "nightly", rings, packages),
            reasons=[f"{row['source_package']} on {hosts[0]}: exploitation is known, the hosts are open." for row in advisories],
            finding_ids=[row["finding_id"] for row in findings], at=NOW,
        )  # fmt: skip
    store._connection.execute(
        "INSERT INTO host_step (campaign_id, host_id, phase, status, token, plan_hash, report, started_at, finished_at)"
        " SELECT campaign_id, host_id, phase, 'done', 1, plan_hash,"
        " jsonb_build_object('before', jsonb_build_object('versions', older), 'after', jsonb_build_object('versions', versions)),"
        " now(), now() FROM campaign JOIN campaign_host USING (campaign_id)"
        " CROSS JOIN (VALUES ('backup'), ('drain'), ('patch'), ('restart'), ('verify')) AS done (phase)"
        " CROSS JOIN LATERAL (SELECT jsonb_object_agg(package, version) AS versions,"
        " jsonb_object_agg(package, '2.0-1') AS older FROM campaign_package"
        " WHERE campaign_package.campaign_id = campaign.campaign_id) AS named WHERE campaign_id = %s",
        (LARGEST,),
    )


def _acceptance(store: Store) -> None:
    """Two acceptances of a package on a whole group: one signed, one asked for."""
    rules = AcceptancePolicy.load(POLICY_DIR)
    for number, (group, signed) in enumerate((("office", True), ("build", False))):
        row = store._connection.execute(
            "SELECT source_package FROM finding JOIN host USING (host_id) WHERE asset_group = %s AND status = 'open'"
            " AND priority = 'defer' ORDER BY finding_id LIMIT 1", (group,),
        ).fetchone()  # fmt: skip
        assert row is not None
        form = {
            "source_packages": [row["source_package"]], "asset_groups": [group],
            "justification": "The vendor of the portal certifies the new version only in spring.",
            "compensating_control": "The load balancer drops the requests that reach the flaw.", "residual_risk": "low",
            "expires_on": (NOW + timedelta(days=10)).date().isoformat(),
            "review_on": (NOW + timedelta(days=5)).date().isoformat(),
        }  # fmt: skip
        name = request_acceptance(
            store, rules, AcceptanceForm.read(form), requester="olga", run_id=f"run-{number}", now=NOW
        )
        if not signed:
            continue
        asked = fetch_acceptance(store, name)
        for seat, role in enumerate(asked["seats"], start=1):
            vote(
                store, rules, acceptance_id=name, seat=seat, voter=MEMBERS[role], decision=ACCEPT, comment=None,
                terms_hash=asked["terms_hash"], now=NOW,
            )  # fmt: skip
        sign(store, name, actor="benchmark", now=NOW)


def _runs(store: Store) -> None:
    """What the stages would have stored: trains, weighed windows, comparisons, changes of urgency, the summary."""
    register = AssetRegister.load(POLICY_DIR)
    write_trains(store, CapacityPolicy.load(POLICY_DIR), now=NOW)
    weigh_campaigns(store, ExposurePolicy.load(POLICY_DIR), register, _openings, now=NOW)
    review_strategies(store, POLICY_DIR, now=NOW)
    store._connection.execute(
        "INSERT INTO urgency_change (cve_id, kind, before, after, source, reason, findings, hosts, asset_groups, detected_at)"
        " SELECT cve_id, 'kev_added', NULL, 'in KEV', 'kev', cve_id || ' is in CISA''s catalogue now.', 100, 50, ARRAY['web'],"
        " now() FROM advisory_cve ORDER BY cve_id LIMIT 40"
    )
    store.execute("risk/fold_risk_summary", {"now": NOW})
    store._connection.execute("VACUUM ANALYZE")


def _openings(_campaign: object, at: datetime) -> Candidates:
    starts = [at + timedelta(hours=hours) for hours in (6, 30, 54)]
    hour = timedelta(hours=1)
    return Candidates(tuple(CandidateWindow("nightly", "UTC", start, start + 4 * hour, hour) for start in starts))


def paths(dsn: str) -> list[str]:
    with Store.connect(dsn) as store:
        named = [
            row["acceptance_id"]
            for row in store.fetch_all("acceptance/list_acceptances", {"acceptance_id": None, "state": None})
        ]
    return [
        "/", "/queue", "/findings", "/findings?priority=scheduled", "/findings?priority=scheduled&page=200",
        "/findings?group=web", "/findings?group=office&priority=defer&page=50", "/findings?group=nobody", "/strategy",
        "/capacity", "/acceptances", f"/acceptances/{named[-1]}", "/feeds", f"/campaigns/{LARGEST}",
        f"/campaigns/{LARGEST}/rollback", f"/campaigns/{LARGEST}/provenance", "/campaigns/SUT-2026-0002", "/intakes", "/cases",
        "/feeds?kind=scores_differ",
    ]  # fmt: skip


def measure(dsn: str, args: argparse.Namespace) -> None:
    with Store.connect(dsn) as store:
        row = store._connection.execute(
            "SELECT (SELECT count(*) FROM host) AS hosts, (SELECT count(*) FROM finding) AS findings,"
            " (SELECT count(*) FROM campaign) AS campaigns, (SELECT count(*) FROM evidence) AS evidence,"
            " pg_relation_size('finding_open') / 1048576 AS finding_open_mib"
        ).fetchone()
        print(", ".join(f"{count:,} {name}" for name, count in (row or {}).items()), flush=True)
    with TestClient(mounted()) as client:
        client.get(URL_PREFIX + "/style.css")
        print(f"| {'page':<48} | {'first, s':>8} | {'median, s':>9} | {'KiB':>6} |")
        for path in paths(dsn):
            seconds, size = [], 0
            for _ in range(args.repeat + 1):
                started = time.monotonic()
                answer = client.get(URL_PREFIX + path)
                seconds.append(time.monotonic() - started)
                size = len(answer.content)
                assert answer.status_code == 200, (path, answer.status_code, answer.text[:500])
            print(
                f"| {path:<48} | {seconds[0]:8.3f} | {statistics.median(seconds[1:]):9.3f} | {size / 1024:6.0f} |",
                flush=True,
            )


def mounted() -> FastAPI:
    pages = build()
    pages.dependency_overrides[reader] = lambda: SimpleNamespace(get_name=lambda: "olga")
    airflow = FastAPI()
    airflow.mount(URL_PREFIX, pages)
    return airflow


def _serve(port: int) -> None:
    import uvicorn

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # otherwise its PostgreSQL outlives it
    uvicorn.run(mounted(), host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    raise SystemExit(main())
