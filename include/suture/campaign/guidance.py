"""What comes next for a campaign in each state, and which DAG does it: for people who look at it."""

from __future__ import annotations

from collections.abc import Mapping

from suture.campaign.lifecycle import CampaignState

_S = CampaignState

NEXT_STEP: Mapping[CampaignState, str] = {
    _S.PLANNED: "signature_validation proves its packages; nothing to do.",
    _S.VALIDATED: "staging_test patches and tests the staging pair; nothing to do.",
    _S.REJECTED: "Read which proof failed, mend the source, then trigger `campaign_replan`.",
    _S.TESTED: "Two named people answer under Browse, Required Actions (release_approval).",
    _S.TEST_FAILED: "Read the failed test's report, mend the cause, then trigger `campaign_replan`.",
    _S.APPROVED: "backup_coordination proves backups; canary_rollout waits for the maintenance window. Nothing to do.",
    _S.DECLINED: "Ask those who declined, then trigger `campaign_replan`, or leave it.",
    _S.ROLLING_OUT: "canary_rollout patches ring by ring; watch its run.",
    _S.HALTED: "Read the reason. Trigger rollback for it, or mend the cause and clear the failed gate's task.",
    _S.VERIFIED: "compliance_reporting writes the report and closes it; nothing to do.",
    _S.CLOSED: "Nothing: it is done. A rollback can still be started.",
    _S.ROLLING_BACK: "rollback restores the hosts in dependency order; watch its run.",
    _S.ROLLED_BACK: "Hold the post-mortem: a new check keeps the same failure from coming back.",
    _S.SUPERSEDED: "Nothing: its findings are planned in a newer campaign.",
}

DAG_OF: Mapping[CampaignState, str | None] = {
    _S.PLANNED: "signature_validation",
    _S.VALIDATED: "staging_test",
    _S.REJECTED: "signature_validation",
    _S.TESTED: "release_approval",
    _S.TEST_FAILED: "staging_test",
    _S.APPROVED: "canary_rollout",
    _S.DECLINED: "release_approval",
    _S.ROLLING_OUT: "canary_rollout",
    _S.HALTED: "canary_rollout",
    _S.VERIFIED: "compliance_reporting",
    _S.CLOSED: "compliance_reporting",
    _S.ROLLING_BACK: "rollback",
    _S.ROLLED_BACK: "rollback",
    _S.SUPERSEDED: None,
}

WAITS_FOR_PEOPLE = frozenset({_S.REJECTED, _S.TESTED, _S.TEST_FAILED, _S.DECLINED, _S.HALTED})
BY_HAND = "manual_judgement"  # the DAG with which a named person judges a ring by hand (rollout/manual_judgement.py)
WAIVER = "parity_waiver"  # the DAG that a named person triggers for a group that has no mirror (staging/waiver.py)


def next_step(state: CampaignState, reason: str) -> str:
    """What comes next, with the reason for which it is in this state: some wait for a person before their time."""
    if _waits_for_waiver(state, reason):
        return f"One of the named people triggers `{WAIVER}` with a reason; staging_test then goes on."
    if state is CampaignState.HALTED and " says inconclusive: " in reason:
        return f"Mend what was missing and take the rollout up again, or a named person triggers `{BY_HAND}`, or trigger rollback."
    return NEXT_STEP[state]


def dag_of(state: CampaignState, reason: str) -> str | None:
    """The DAG to look at, or to trigger; None: there is none."""
    return WAIVER if _waits_for_waiver(state, reason) else DAG_OF[state]


def waits_for_people(state: CampaignState, reason: str) -> bool:
    return state in WAITS_FOR_PEOPLE or _waits_for_waiver(state, reason)


def _waits_for_waiver(state: CampaignState, reason: str) -> bool:
    return state is _S.VALIDATED and f"trigger {WAIVER} " in reason
