"""
### Risk acceptance: leave it unpatched, signed and for a time

**What** Somebody asks that findings stay unpatched until a date; the people whose roles policy names sign, or it is no.

**When** Trigger it by hand. You are the requester, by your log-in; you cannot sign.

**Form** Scope: what (CVEs, advisories or source packages, one a line) and where (hosts or asset groups). Justification,
compensating control, residual risk, last day, day of review. Every text is kept as typed. To extend an acceptance, ask anew and
name it under *extends*: it takes new signatures.

**Steps** `open_request` freezes the covered findings and shows the terms ▸ `seat_1` ▸ `seat_2` ▸ `seat_3` (as many as the quorum
in `include/policy/acceptance.yaml` needs; the others are over at once) ▸ `conclude` makes it active.

**Answering** Browse ▸ Required Actions. Only members of the seat's role can answer, nobody twice.

**When it is red** The form was refused (the last line says which field and why), somebody said no, nobody answered in time, or the
facts changed before the last signature. Nothing is accepted then: the findings stay open, with their old deadlines.

**Afterwards** `risk_scoring` and `risk_acceptance_watch` end it when it expires, or when a KEV entry, active exploitation, a risen
priority or a wider scope voids it: its findings are open again and their clock starts anew. `./suture acceptance list`.

**Owner** the risk owner
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from suture_airflow.operators.acceptance import AcceptanceSeatOperator
from suture_airflow.stages import acceptance

SEATS = (1, 2, 3)


def names(title: str, description: str) -> Param:
    return Param(
        [],
        type="array",
        items={"type": "string", "minLength": 1, "maxLength": 4000},
        maxItems=200,
        title=title,
        description=description,
    )


def text(title: str, description: str) -> Param:
    return Param(
        None, type=["null", "string"], maxLength=4000, title=title, description=description, format="multiline"
    )


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=16,
    tags=["suture", "gate"],
    doc_md=__doc__,
    params={
        "cve_ids": names("CVEs", "One a line: every advisory that names one of them."),
        "advisory_ids": names("Advisories", "One a line, e.g. debian-security/nginx@1.22.1-9+deb12u11."),
        "source_packages": names("Source packages", "One a line: every advisory for one of them."),
        "host_ids": names("Hosts", "One a line."),
        "asset_groups": names("Asset groups", "One a line: all hosts of the group. A new one voids the acceptance."),
        "justification": text("Justification", "Why it cannot be patched now."),
        "compensating_control": text("Compensating control", "What keeps the risk small meanwhile."),
        "residual_risk": Param(
            None,
            type=["null", "string"],
            enum=[None, "low", "medium", "high", "critical"],
            title="Residual risk",
            description="What is left of the risk behind the compensating control.",
        ),
        "expires_on": Param(
            None, type=["null", "string"], format="date", title="Last day", description="Day in UTC; policy has a maximum."
        ),
        "review_on": Param(
            None, type=["null", "string"], format="date", title="Review on", description="Not later than the last day."
        ),
        "extends": Param(
            None, type=["null", "string"], maxLength=40, title="Extends", description="An earlier acceptance, if any."
        ),
    },
)
def risk_acceptance():
    @task(retries=2)
    def open_request(**context):
        return acceptance.open_request(context)

    opened = open_request()
    seats = [
        AcceptanceSeatOperator(
            task_id=f"seat_{seat}",
            seat=seat,
            acceptance_id="{{ ti.xcom_pull(task_ids='open_request')['acceptance_id'] }}",
            terms_hash="{{ ti.xcom_pull(task_ids='open_request')['terms_hash'] }}",
            subject="Accept a risk? {{ ti.xcom_pull(task_ids='open_request')['acceptance_id'] }} (seat " + str(seat) + ")",
            body="{{ ti.xcom_pull(task_ids='open_request')['body'] }}",
            retries=2,
        )
        for seat in SEATS
    ]

    @task(retries=2)
    def conclude(*, ti=None):
        return acceptance.conclude(ti.xcom_pull(task_ids="open_request")["acceptance_id"])

    # Every seat stands before the conclusion: there is no way around any of them.
    opened >> seats[0] >> seats[1] >> seats[2] >> conclude()


risk_acceptance()
