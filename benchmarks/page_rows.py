"""What stands on the pages beside findings and campaigns: feeds and what they disagree on, intakes, proofs, vendor cases, and a
large campaign that halted on its way. Used by pages.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

from suture.campaign import CampaignState, move
from suture.feeds import FeedsPolicy
from suture.sourcing.cases import CaseForm, VendorRegister, open_case
from suture.sourcing.examination import Concern, Examination, load_policy
from suture.store import Json, Store, sources

S = CampaignState
WAY = (S.PLANNED, S.VALIDATED, S.TESTED, S.APPROVED, S.ROLLING_OUT, S.HALTED)
CHAIN = {
    "source": "debian-security", "suite": "bookworm-security", "key_owner": "Debian Security Archive", "key_fingerprint": "A1" * 20,
    "inrelease_sha256": "cd" * 32, "date": "2026-11-26T10:00:00+00:00",
    "files": [
        {"package": f"package{number:04d}-0", "version": "2.9-1+deb12u7", "architecture": "amd64", "size": 1_234_567 + number,
         "path": "pool/p", "sha256": f"{number:064x}"}
        for number in range(40)
    ],
}  # fmt: skip
# Rows that the stages of a rollout would have written, for the hosts of one campaign. Twelve hosts have no backup, ten failed.
HALTED = (
    "INSERT INTO backup (campaign_id, host_id, tool, repository, snapshot_ref, status, taken_at, checked_at, restored_at, size_bytes)"
    " SELECT campaign_id, host_id, 'restic', '/var/backups', md5(host_id), 'verified', now(), now(), now(), 73400320"
    " FROM campaign_host WHERE campaign_id = %(id)s ORDER BY host_id DESC OFFSET 12",
    "UPDATE host_package AS installed SET version = planned.version, source_version = planned.version"
    " FROM (SELECT package, version FROM campaign_package WHERE campaign_id = %(id)s) AS planned"
    " WHERE installed.package = planned.package AND installed.host_id = ANY (%(well)s)",
    "UPDATE host SET collected_at = now() FROM campaign_host WHERE campaign_id = %(id)s AND campaign_host.host_id = host.host_id",
    "UPDATE host_step SET status = 'failed', error = 'nginx.service did not come up: exit status 1 (see the unit''s journal).'"
    " WHERE campaign_id = %(id)s AND phase = 'verify' AND host_id = ANY (%(failed)s)",
    "INSERT INTO test_run (campaign_id, stage, host_id, passed, tests, failures, duration_seconds, started_at)"
    " SELECT %(id)s, stage, 'stg-' || number, true, 214, 0, 93.4, now() FROM generate_series(1, 4) AS number"
    " CROSS JOIN (VALUES ('before'), ('after')) AS told (stage)",
    "INSERT INTO verdict (campaign_id, ring, verdict, reason, measures, started_at, judged_at)"
    " VALUES (%(id)s, 'canary', 'pass', 'The patched hosts are no worse.', %(measures)s, now(), now()),"
    " (%(id)s, 'ring_1', 'fail', 'host-000014 had 5,731 bad of 1,150,204 requests, the control 12 of 5,500,000.', %(measures)s,"
    " now(), now())",
    "INSERT INTO incident (incident_id, campaign_id, status, severity, summary, impact, declared_by, declared_at)"
    " VALUES ('INC-2026-0001', %(id)s, 'open', 'major', '5,731 of 1,150,204 requests failed on the patched hosts.',"
    " %(impact)s, 'suture:canary_rollout', now())",
    "INSERT INTO approval (campaign_id, gate, seat, approver, decision, plan_hash, comment, decided_at, expires_at)"
    " SELECT campaign_id, 'release', seat, who, 'approve', plan_hash, 'Tested on staging, go.', now(), now() + interval '14 days'"
    " FROM campaign CROSS JOIN (VALUES ('first', 'vera'), ('second', 'amir')) AS said (seat, who) WHERE campaign_id = %(id)s",
)
MEASURES = {
    "canary": ["host-000014"], "control": ["host-000020"], "missing": [],
    "compared": {"errors": {
        "requests": {"requests": 1_150_204, "bad": 5_731}, "control_requests": {"requests": 5_500_000, "bad": 12},
        "increase_at_least": 0.0041, "increase_at_most": 0.0062, "evidence_one_to": 4.1e8, "limit_one_to": 100.0, "looks": 61,
        "notes": [],
    }},
}  # fmt: skip
IMPACT = {"requests": 1_150_204, "failed": 5_731, "by_host": {"host-000014": {"requests": 1_150_204, "failed": 5_731}}}
CONTRADICTIONS = (
    "INSERT INTO contradiction (kind, cve_id, subject, claims, first_seen_at, last_changed_at)"
    " SELECT kind, cve_id, '3.1', jsonb_build_array(jsonb_build_object('source', 'cna:debian', 'says', '9.8'),"
    " jsonb_build_object('source', 'nvd:nvd@nist.gov', 'says', '7.5')), now(), now()"
    " FROM advisory_cve CROSS JOIN (VALUES ('scores_differ'), ('kev_not_in_record')) AS said (kind)"
    " WHERE kind = 'scores_differ' OR abs(hashtext(cve_id)) %% 50 = 0 ON CONFLICT DO NOTHING"
)


def fill_feeds(store: Store, policy_dir: Path, *, now: datetime) -> None:
    """Every enabled feed read well, one of them too long ago, one not answering since; sources that disagree on thousands of CVEs."""
    enabled = [source for source in FeedsPolicy.load(policy_dir).sources if source.enabled]
    for number, source in enumerate(enabled):
        read = now - timedelta(hours=80 if number == 1 else 2)
        tries = [("accepted", None, read, 250_000 + number, 3 * number)]
        if number == 2:
            tries.append(("unreachable", "no answer within 30 s, after 3 tries", now - timedelta(hours=1), None, 0))
        for status, reason, at, records, quarantined in tries:
            store._connection.execute(
                "INSERT INTO feed_snapshot (source, url, status, reason, record_count, quarantined_count, data_date, fetched_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (source.name, f"https://feeds.example.org/{source.name}/all.json", status, reason, records, quarantined, at, at),
            )
    store._connection.execute(CONTRADICTIONS, {})


def fill_sourcing(store: Store, policy_dir: Path, *, now: datetime) -> None:
    """An intake for every campaign (each seventh refused), with examinations; proofs of sources; cases with a vendor that is late."""
    actions = load_policy(policy_dir).actions
    new = Concern("undeclared_file", "usr/lib/source/extra.so", "usr/lib/source/extra.so is new and its notes do not name it.")
    for number, row in enumerate(store.fetch_all("campaign/list_campaigns", {"state": None})):
        refused = number % 7 == 6
        intake = sources.record_intake(
            store, campaign_id=row["campaign_id"], source="debian-security", adopted=not refused,
            reason="hash_mismatch" if refused else None,
            sentence="package0003-0 is not the file that the signed index names." if refused else "40 packages proven and adopted.",
            snapshot_ref=None if refused else f"snap-{number}", chain=CHAIN, decided_at=now - timedelta(hours=number),
        )  # fmt: skip
        found = [
            Examination(examiner, f"package{package:04d}-0", "2.9-1+deb12u7", "amd64", "2.8-1",
                        (new,) if package % 9 == 0 and examiner == "notes" else (), {"files": 3}, 0.2)
            for package in range(40) for examiner in ("notes", "binary")
        ]  # fmt: skip
        store.execute(
            "intake/insert_examinations",
            {"intake_id": intake, "campaign_id": row["campaign_id"], "examined_at": now,
             "rows": Json([one.as_dict(actions) for one in found])},
        )  # fmt: skip
    for kind in ("rpm", "pypi", "npm", "container"):
        store._connection.execute(
            "INSERT INTO source_proof (source, kind, verdict, sentence, alarms, not_proven, judged_at)"
            " VALUES (%s, %s, 'proven', '12,403 files proven.', %s, %s, %s)",
            (f"internal-{kind}", kind, Json(["The key ends in 12 days."] if kind == "rpm" else []),
             Json(["Who built a file is not stated."]), now),
        )  # fmt: skip
    _cases(store, policy_dir, now)


def _cases(store: Store, policy_dir: Path, now: datetime) -> None:
    register = VendorRegister.load(policy_dir)
    rows = store._connection.execute(
        "SELECT DISTINCT ON (source_package) source_package, asset_group FROM finding INNER JOIN host USING (host_id)"
        " WHERE finding_id < 5000 ORDER BY source_package LIMIT 12"
    ).fetchall()
    for number, row in enumerate(rows):
        form = {
            "source_package": row["source_package"], "asset_group": row["asset_group"], "tlp": "AMBER", "participants": ["rosa"],
            "title": f"Remote code execution in {row['source_package']}", "summary": "A request with a long header ends the service.",
        }  # fmt: skip
        case = open_case(store, register, CaseForm.read(form), opener="nils", run_id=f"case-{number}", now=now)
        if number % 3 == 0:
            store._connection.execute(
                "UPDATE vendor_case SET state = 'asked', acknowledge_by = %s WHERE case_id = %s", (now - timedelta(hours=2), case)
            )


def halt(store: Store, campaign_id: str, *, now: datetime) -> None:
    """The campaign on its way until the judge halted it: most hosts verified, ten failed."""
    hosts = [
        row["host_id"]
        for row in store._connection.execute(
            "SELECT host_id FROM campaign_host WHERE campaign_id = %s ORDER BY host_id", (campaign_id,)
        )
    ]
    values = {"id": campaign_id, "well": hosts[10:], "failed": hosts[:10], "measures": Json(MEASURES), "impact": Json(IMPACT)}
    for statement in HALTED:
        store._connection.execute(statement, values)
    for came, went in pairwise(WAY):
        reason = "The judge said fail: ring 1 had 5,731 bad of 1,150,204 requests." if went is S.HALTED else "All proofs held."
        move(store, campaign_id, expected=came, to=went, actor="suture:benchmark", reason=reason, at=now)
