"""Production's requests on staging: recorded masked, kept as an object, replayed before and after the patch, compared.

The rules:

1. An asset group without a traffic rule in parity.yaml has no replay; that is said, and written down.
2. The record is made once a campaign and plan, before the patch; both replays send the same. It is masked twice: on the host
   that has the log, and here before it is kept, by the same rules.
3. Too few requests, a host that does not answer, an entry that leaves requests without an answer before the patch, a machine
   too busy to send on time: nothing was measured, so the test stops (and may be tried again). No data is no pass.
4. A route that is worse after the patch, in two replays, fails the staging test.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from suture import evidence
from suture.campaign import Campaign
from suture.errors import SutureError
from suture.model import Ring
from suture.runner import Phase, PlaybookRun, Runner
from suture.runner.interface import quiet
from suture.runner.inventory import Inventory
from suture.settings import Settings
from suture.staging.parity_policy import ParityPolicy, TrafficRule
from suture.staging.traffic_compare import Decline, confirmed, declines, summary
from suture.staging.traffic_mask import mask_headers, mask_path, mask_query
from suture.staging.traffic_replay import (
    NO_ANSWER,
    Answer,
    Request,
    TrafficError,
    TrafficUnavailableError,
    replay,
    requests_of,
    require_on_time,
    tunnel,
)
from suture.store import Json, Store, parity
from suture.store.objects import open_objects

ACTOR = "suture:staging_test"
BEFORE, AFTER = "before", "after"
TIMEOUT = timedelta(minutes=5)
TOLD = 5


class TrafficWorseError(SutureError):
    """Staging answers production's requests worse after the patch than before it."""


@dataclass(frozen=True)
class ReplayOutcome:
    """How a replay ended. requests: 0 where the policy asks for none."""

    stage: str
    passed: bool
    requests: int
    sentence: str
    declined: tuple[Decline, ...] = ()

    def require_passed(self) -> ReplayOutcome:
        """Itself. Raises TrafficWorseError."""
        if not self.passed:
            raise TrafficWorseError(
                f"{self.sentence}.",
                remedy="Compare the routes on the campaign's page; the patch does not go to production.",
            )
        return self


def replay_stage(
    store: Store,
    runner: Runner,
    settings: Settings,
    campaign: Campaign,
    stage: str,
    *,
    log: Callable[[str], None] = quiet,
) -> ReplayOutcome:
    """Replay at a stage (before or after), keep the answers and say whether they are as good as before.

    Raises TrafficError, TrafficUnavailableError (retryable) when there is nothing to compare.
    """
    rule = ParityPolicy.load(settings.policy_dir).traffic_of(campaign.plan.asset_group)
    if rule is None:
        told = f"parity.yaml declares no traffic for {campaign.plan.asset_group}: nothing was replayed"
        outcome = ReplayOutcome(stage, True, 0, told)
        _keep(store, campaign, outcome, [], None, None)
        return outcome
    if stage == BEFORE:
        key, sha256 = _record(runner, settings, campaign, rule, log=log)
        earlier: list[Answer] = []
    else:
        row = parity.latest_replay(store, campaign.campaign_id, BEFORE)
        if row is None or row["plan_hash"] != campaign.plan_hash or row["record_key"] is None:
            raise TrafficError(
                f"No traffic was replayed on staging before {campaign.campaign_id}'s patch: there is nothing to compare with.",
                remedy="Plan the campaign anew; staging_test then begins from its start.",
            )
        key, sha256 = row["record_key"], row["record_sha256"]
        earlier = [Answer(*one) for one in row["result"]]
    requests = read_record(settings, rule, key, sha256)
    answers = _send(settings, campaign, rule, requests)
    found: tuple[Decline, ...] = ()
    if stage == BEFORE:
        _require_answered(answers, rule)
    else:
        found = declines(earlier, answers, rule.worse)
        if found:
            log(f"Worse at first sight, so once more: {'; '.join(one.sentence for one in found[:TOLD])}.")
            found = confirmed(found, declines(earlier, _send(settings, campaign, rule, requests), rule.worse))
    outcome = ReplayOutcome(stage, not found, len(requests), _sentence(stage, requests, answers, found), found)
    _keep(store, campaign, outcome, answers, key, sha256)
    return outcome


def read_record(settings: Settings, rule: TrafficRule, key: str, sha256: str) -> list[Request]:
    """The record's requests as they are to be sent. Raises TrafficError for bytes that are not those on record."""
    content = open_objects(settings.store_url).get(key)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise TrafficError(
            f"The traffic record {key} is not the one that was replayed before.", remedy="Plan the campaign anew."
        )
    recorded = json.loads(content)["requests"]
    return requests_of(recorded, methods=rule.methods, bodies=rule.bodies, speed=rule.speed)[0]


def _record(
    runner: Runner, settings: Settings, campaign: Campaign, rule: TrafficRule, *, log: Callable[[str], None]
) -> tuple[str, str]:
    """Record production's requests; (key of the object, its SHA-256)."""
    inventory = Inventory.load(settings.inventory_path)
    sources = inventory.members(rule.inventory_group)
    if not sources:
        raise TrafficError(
            f"No host is in the inventory group {rule.inventory_group}, whose access log is to be recorded.",
            remedy=f"Name another in parity.yaml (traffic of {rule.asset_group}), or take the entry out.",
        )
    result = runner.run(PlaybookRun(Phase.TRAFFIC, sources, {"record": _brief(rule)}, timeout=TIMEOUT), log=log)
    reports = {host: report["traffic"] for host, report in sorted(result.reports.items())}
    if not reports:
        missed = {**result.failed, **result.unreachable}
        told = "; ".join(f"{host}: {why}" for host, why in sorted(missed.items()))
        raise TrafficUnavailableError(f"Production's requests could not be recorded: {told}.")
    host, found = max(reports.items(), key=lambda pair: len(pair[1]["requests"]))
    requests = [masked(one, rule) for one in found["requests"]]
    if len(requests) < rule.min_requests:
        raise TrafficError(
            f"{host} has {len(requests)} requests of the last {rule.over.total_seconds() / 60:.0f} minutes to replay"
            f" ({found['read']} lines, {found['unreadable']} unreadable); {rule.min_requests} are needed.",
            remedy="Wait for more traffic, or set min_requests and minutes in parity.yaml; then plan the campaign anew.",
        )
    document = {
        "campaign_id": campaign.campaign_id,
        "plan_hash": campaign.plan_hash,
        "recorded_on": host,
        "recorded_at": found["taken_at"],
        "requests": requests,
    }
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    sha256 = hashlib.sha256(content).hexdigest()
    key = f"traffic/{campaign.campaign_id}/{sha256[:16]}.json"
    open_objects(settings.store_url).put(key, content, content_type="application/json")
    return key, sha256


def _brief(rule: TrafficRule) -> dict[str, Any]:
    """What the log's host is told, for include/playbooks/library/suture_traffic.py."""
    return {
        "journal": rule.journal or "",
        "file": rule.file or "",
        "format": rule.format,
        "frontend": rule.frontend or "",
        "captured_headers": list(rule.captured_headers),
        "seconds": int(rule.over.total_seconds()),
        "most": rule.max_requests,
        "methods": list(rule.methods),
        "keep_query": list(rule.keep_query),
        "keep_headers": list(rule.keep_headers),
    }


def masked(request: dict[str, Any], rule: TrafficRule) -> dict[str, Any]:
    """A recorded request, masked once more: what a host hands over is not trusted to be masked."""
    return {
        **request,
        "path": mask_path(request["path"]),
        "query": mask_query(request["query"], rule.keep_query),
        "headers": mask_headers(request["headers"], rule.keep_headers),
    }


def _send(settings: Settings, campaign: Campaign, rule: TrafficRule, requests: Sequence[Request]) -> list[Answer]:
    """Replay against the entry of the campaign's staging hosts. Raises TrafficUnavailableError when nothing answers."""
    inventory = Inventory.load(settings.inventory_path)
    role = next(r for r in ParityPolicy.load(settings.policy_dir).roles if r.name == rule.role)
    hosts = [h for h in campaign.plan.hosts(Ring.STAGING) if role.plays("staging", inventory.hosts[h].groups)]
    if not hosts:
        raise TrafficError(
            f"None of {campaign.campaign_id}'s staging hosts plays the role {rule.role}: there is no entry to replay at.",
            remedy=f"Mend the traffic of {rule.asset_group} in parity.yaml, or the plan.",
        )
    with tunnel(inventory.hosts[hosts[0]], rule.port) as local:
        answers = replay(requests, "127.0.0.1", local, host_header=rule.host_header)
    require_on_time(answers)
    if all(one.kind == NO_ANSWER for one in answers):
        raise TrafficUnavailableError(f"{hosts[0]} answered none of {len(answers)} requests on port {rule.port}.")
    return answers


def _require_answered(answers: Sequence[Answer], rule: TrafficRule) -> None:
    """Raises TrafficUnavailableError when staging leaves requests without an answer before anything was patched."""
    silent = sum(1 for one in answers if one.kind == NO_ANSWER)
    if silent > rule.worse.failed_share * len(answers):
        raise TrafficUnavailableError(
            f"Staging left {silent} of {len(answers)} requests without an answer before the patch: nothing can be compared with it.",
            remedy="Look at staging's entry and its logs; it is tried again.",
        )


def _sentence(stage: str, requests: Sequence[Request], answers: Sequence[Answer], found: Sequence[Decline]) -> str:
    good = sum(1 for one in answers if one.kind == "2xx")
    head = f"{len(requests)} recorded requests replayed {stage} the patch, {good} answered well"
    return ": ".join([head, *(["; ".join(one.sentence for one in found[:TOLD])] if found else [])])


def _keep(
    store: Store,
    campaign: Campaign,
    outcome: ReplayOutcome,
    answers: Sequence[Answer],
    key: str | None,
    sha256: str | None,
) -> None:
    routes = summary(answers)
    with store.transaction():
        parity.write_replay(
            store,
            {
                "campaign_id": campaign.campaign_id,
                "plan_hash": campaign.plan_hash,
                "stage": outcome.stage,
                "record_key": key,
                "record_sha256": sha256,
                "requests": outcome.requests,
                "passed": outcome.passed,
                "sentence": outcome.sentence,
                "routes": Json(routes),
                "result": Json([[one.route, one.kind, one.latency_ms, one.lag_ms] for one in answers]),
                "replayed_at": datetime.now(UTC),
            },
        )
        evidence.record(
            store,
            actor=ACTOR,
            action="traffic_replayed" if outcome.passed else "traffic_worse",
            subject=f"campaign:{campaign.campaign_id}",
            campaign_id=campaign.campaign_id,
            grounds={
                "stage": outcome.stage,
                "requests": outcome.requests,
                "sentence": outcome.sentence,
                "record": {"key": key, "sha256": sha256},
                "routes": routes[:20],
                "worse": [one.sentence for one in outcome.declined],
            },
        )
