"""Patches out of band: opening a case, waiting for the vendor, handing the hotfix's campaign over, watching until it is replaced."""

from __future__ import annotations

from typing import Any

from airflow.sdk import PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from suture.rollout.rings import RingPolicy
from suture.runner.quarantine import campaigns_to_leave, list_quarantined
from suture.settings import Settings
from suture.sourcing.cases import CaseForm, VendorRegister, fetch_case, open_case
from suture.sourcing.cases.advance import advance, first_campaign, watch_cases
from suture.sourcing.cases.states import MEANING, TERMINAL
from suture_airflow.clock import utc_now
from suture_airflow.translation import translated
from suture_airflow.warehouse import open_store


@translated
def open_from_form(context: Any) -> str:
    """The case's id. The opener is who triggered the run, as Airflow knows it."""
    run = context["dag_run"]
    register = VendorRegister.load(Settings.load().policy_dir)
    with open_store() as store:
        case_id = open_case(
            store,
            register,
            CaseForm.read(context["params"]),
            opener=getattr(run, "triggering_user_name", None),
            run_id=run.run_id,
            now=utc_now(),
        )
        case = fetch_case(store, case_id)
    if not case.described:
        print(f"{case_id} waits for its text: ./suture case describe {case_id} FILE.")
    return case_id


@translated
def await_hotfix(case_id: str) -> PokeReturnValue:
    """One look at the case: done with its campaign's id once that is planned. Fails when there will be no hotfix."""
    settings = Settings.load()
    rings = RingPolicy.load(settings.policy_dir)
    register = VendorRegister.load(settings.policy_dir)
    with open_store() as store:
        case = advance(store, settings, register, case_id, ring_plan=rings.ring_plan, now=utc_now())
        campaign_id = first_campaign(store, case)
    print(f"{case_id} is {case.state}. {MEANING[case.state]}")
    if case.state in TERMINAL and campaign_id is None:
        raise AirflowFailException(
            f"{case_id} is {case.state}: {MEANING[case.state]} See ./suture case show {case_id}."
        )
    return PokeReturnValue(is_done=case.campaign_id is not None, xcom_value=campaign_id)


@translated
def watch() -> list[str]:
    """The ids of the campaigns that go on to validation now. Skipped when there are none; fails, after all others, for a fault."""
    settings = Settings.load()
    rings = RingPolicy.load(settings.policy_dir)
    with open_store() as store:
        found = watch_cases(
            store, settings, VendorRegister.load(settings.policy_dir), ring_plan=rings.ring_plan, now=utc_now()
        )
    print(f"Live cases: {found.live}. Planned: {', '.join(found.planned) or 'none'}.")
    for case_id, why in found.faults.items():
        print(f"{case_id}: {why}")
    if found.faults and not found.planned:
        raise AirflowFailException(
            f"{', '.join(found.faults)} could not be followed: {next(iter(found.faults.values()))}"
        )
    if not found.planned:
        raise AirflowSkipException(f"Nothing to hand over; live cases: {found.live}.")
    return list(found.planned)


@translated
def campaigns_in_quarantine() -> list[str]:
    """The hotfix campaigns that have ended while hosts of theirs still know the quarantine."""
    with open_store() as store:
        for host in list_quarantined(store):
            print(f"{host.campaign_id}: {host.sentence}.")
        return campaigns_to_leave(store)
