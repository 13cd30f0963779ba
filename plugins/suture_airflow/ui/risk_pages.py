"""The risk pages: the queue, open findings, strategies, capacity, acceptances.

The rules of pages.py hold here too. Each page reads what the last run stored; none runs a solver or a replay.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from markupsafe import Markup

from suture.compliance.acceptances import acceptance_list, acceptance_view
from suture.compliance.queue import CONDITIONS, FINDINGS_A_PAGE, MOST_PAGES, campaign_queue, open_findings
from suture.compliance.risk_overview import RiskOverview, risk_overview
from suture.compliance.urgency import urgency_feed
from suture.errors import BadInputError
from suture.model import Priority
from suture.model.recurrence import WindowError
from suture.risk.capacity import CapacityPolicy
from suture.risk.capacity_run import capacity_view
from suture.risk.readiness import waiting_findings
from suture.risk.strategy import StrategyPolicy
from suture.risk.strategy_review import latest_comparisons
from suture.risk.window_choice import window_choices
from suture.rollout.windows import WindowPolicy
from suture.settings import Settings
from suture.store import Store
from suture_airflow.ui.access import reader
from suture_airflow.ui.drawing import NoSuchThingError, page

CHANGES_SHOWN, WEIGHED_SHOWN, ROWS_SHOWN = 20, 100, 200
# What waits is judged finding by finding: beyond this the page says so and names the command.
MOST_FINDINGS_JUDGED = 50_000
Json = dict[str, Any]

router = APIRouter(dependencies=[Depends(reader)])


@router.get("/queue")
def show_queue(request: Request) -> Response:
    return page(request, "queue", _queue)


@router.get("/findings")
def show_findings(
    request: Request,
    priority: Priority | None = None,
    group: Annotated[str | None, Query(max_length=200)] = None,
    number: Annotated[int, Query(alias="page", ge=1, le=MOST_PAGES)] = 1,
) -> Response:
    def read(store: Store, _settings: Settings, now: datetime) -> Json:
        asked = None if group is None else group.replace("\0", "�")
        risk = risk_overview(store, now=now)
        return {
            **open_findings(store, now=now, priority=priority, asset_group=asked, page=number),
            "risk": risk,
            "priority": priority,
            "priorities": list(Priority),
            "group": asked,
            "number": number,
            "in_all": _in_all(risk, priority, asked),
            "counts": {
                "of_all_priorities": _in_all(risk, None, asked),
                "of_all_groups": _in_all(risk, priority, None),
            },
            "a_page": FINDINGS_A_PAGE,
            "listed": FINDINGS_A_PAGE * MOST_PAGES,
            "meaning_of": CONDITIONS,
        }

    return page(request, "findings", read)


@router.get("/strategy")
def show_strategy(request: Request) -> Response:
    return page(request, "strategy", _strategy)


@router.get("/capacity")
def show_capacity(request: Request) -> Response:
    return page(
        request,
        "capacity",
        lambda store, settings, now: {
            "view": capacity_view(store, CapacityPolicy.load(settings.policy_dir), now=now),
            "most": ROWS_SHOWN,
        },
    )


@router.get("/acceptances")
def show_acceptances(request: Request) -> Response:
    return page(
        request,
        "acceptances",
        lambda store, _settings, now: {
            "acceptances": sorted(acceptance_list(store, now=now), key=_first_to_look_at),
            "changes": urgency_feed(store, limit=CHANGES_SHOWN),
            "most": ROWS_SHOWN,
        },
    )


@router.get("/acceptances/{acceptance_id}")
def show_acceptance(request: Request, acceptance_id: str) -> Response:
    def read(store: Store, _settings: Settings, now: datetime) -> Json:
        try:
            found = acceptance_view(store, acceptance_id.replace("\0", "�"), now=now)
        except BadInputError as error:
            raise NoSuchThingError(error.message, remedy=error.remedy) from error
        given = sum(1 for vote in found["votes"] if vote["decision"] == "accept")
        return {"one": found, "covered": found["covered"][:ROWS_SHOWN], "votes_given": given, "most": ROWS_SHOWN}

    return page(request, "acceptance", read)


def _queue(store: Store, settings: Settings, now: datetime) -> Json:
    found = campaign_queue(store, now=now)
    return {
        **found,
        "risk": risk_overview(store, now=now),
        "broken": [one for one in acceptance_list(store, now=now, state="active") if not one["valid"]],
        "opens": _openings(settings, {row["window_name"] for row in found["campaigns"]}, now),
        "changes": urgency_feed(store, limit=CHANGES_SHOWN),
    }


def _in_all(risk: RiskOverview, priority: Priority | None, group: str | None) -> int | None:
    """How many open findings the question has; None when nothing was ever scored."""
    if risk.as_of is None:
        return None
    if group is None:
        return (risk.total if priority is None else risk.by_priority[priority]).open
    if priority is None:
        return risk.by_group[group].open if group in risk.by_group else 0
    found = risk.by_group_and_priority.get((group, priority))
    return found.open if found else 0


def _first_to_look_at(one: Json) -> tuple[int, str]:
    """Acceptances that hold no longer, those that wait, those that hold (the next to expire first), those that ended."""
    if one["state"] == "active":
        return (2 if one["valid"] else 0), one["expires_at"]
    return (1 if one["state"] == "requested" else 3), one["expires_at"]


def _openings(settings: Settings, names: Iterable[str], now: datetime) -> dict[str, Json]:
    """Each window's next opening: {"at": its start, None when it is shut, "why": what is wrong with it}."""
    windows = WindowPolicy.load(settings.policy_dir)
    found: dict[str, Json] = {}
    for name in names:
        try:
            opening = next(windows.window(name).openings(now), None)
        except WindowError as error:
            found[name] = {"at": None, "open": False, "why": error.message}
            continue
        why = None if opening else "It does not open again."
        found[name] = {
            "at": opening.start if opening else None,
            "open": bool(opening and opening.start <= now),
            "why": why,
        }
    return found


def _strategy(store: Store, settings: Settings, now: datetime) -> Json:
    strategies = StrategyPolicy.load(settings.policy_dir)
    weighed = window_choices(store)
    return {
        # The chart is drawn by strategy_chart.py from figures and escaped names.
        "comparisons": [{**one, "chart": Markup(one["chart_svg"])} for one in latest_comparisons(store)],  # noqa: S704
        "anything_may_wait": strategies.anything_may_wait,
        **_waiting(store, strategies, now),
        "weighed": weighed[:WEIGHED_SHOWN],
        "weighed_in_all": len(weighed),
    }


def _waiting(store: Store, strategies: StrategyPolicy, now: datetime) -> Json:
    """What the strategies hold back; None where nothing may wait, or where there is too much to judge within a page."""
    open_now = risk_overview(store, now=now).total.open
    if not strategies.anything_may_wait or open_now > MOST_FINDINGS_JUDGED:
        return {"waiting": None, "waiting_in_all": 0, "open_now": open_now}
    waiting = waiting_findings(store, strategies, now)
    return {"waiting": waiting[:ROWS_SHOWN], "waiting_in_all": len(waiting), "open_now": open_now}
