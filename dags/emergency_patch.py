"""
### Emergency patch: ask a vendor for a hotfix, out of band

**What** Opens a case for a zero-day, asks the vendor that makes the product, waits for the hotfix, and plans a campaign that brings
it to the case's hosts only, through the same gates as any patch.

**When** Trigger it by hand. You open the case, by your log-in; its campaign is requested by you, so others must release it.

**Form** Product (source package), where (asset group; hosts to narrow it), TLP and embargo, participants, text. Under TLP:RED and
TLP:AMBER+STRICT leave title and summary empty: everyone who sees the run can read its form. `./suture case describe` gives the
text then.

**Steps** `open_case` ▸ `await_hotfix` asks the vendor's desk and looks again every half minute; for a vendor without a desk it
waits for `./suture case acknowledge` and `./suture case offer` ▸ `hand_over` starts signature_validation for the campaign.

**Clocks** vendors.yaml says by when the vendor owes an answer and a fix; what is overdue stands in the case, with whom to escalate to.

**When it is red** The form was refused (the last line says which field and why), the vendor declined, or the case was withdrawn. A
hotfix that does not prove is refused and the wait goes on: the vendor can offer another.

**Afterwards** `vendor_case_watch` follows the campaign, and replaces the hotfix by the regular release when that comes.

**Owner** on-call
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag, task

from suture_airflow.assets import CAMPAIGN_PLANNED
from suture_airflow.stages import cases


def text(title: str, description: str, *, most: int, lines: bool = False) -> Param:
    shape = {"format": "multiline"} if lines else {}
    return Param(None, type=["null", "string"], maxLength=most, title=title, description=description, **shape)


def names(title: str, description: str) -> Param:
    items = {"type": "string", "minLength": 1, "maxLength": 200}
    return Param([], type="array", items=items, maxItems=200, title=title, description=description)


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=16,
    tags=["suture", "gate"],
    doc_md=__doc__,
    params={
        "source_package": text("Product", "The source package, as dpkg-query shows it.", most=100),
        "asset_group": text("Asset group", "Where it runs.", most=200),
        "host_ids": names("Hosts", "One a line, to narrow the scope. Empty: every production host of the group with the product."),
        "title": text("Title", "Empty under TLP:RED and TLP:AMBER+STRICT.", most=200),
        "summary": text("Summary", "What is known, for the vendor. Empty under TLP:RED and TLP:AMBER+STRICT.", most=4000, lines=True),
        "cve_id": text("CVE", "If one was assigned.", most=30),
        "tlp": Param(
            "AMBER", type="string", enum=["RED", "AMBER+STRICT", "AMBER", "GREEN", "CLEAR"], title="TLP",
            description="Traffic Light Protocol 2.0: who may know.",
        ),
        "embargo_until": Param(None, type=["null", "string"], format="date-time", title="Embargo until", description="In UTC."),
        "participants": names("Participants", "Who may read it under TLP:RED, one user a line. You are one."),
    },
)  # fmt: skip
def emergency_patch():
    @task(retries=2)
    def open_case(**context):
        return cases.open_from_form(context)

    @task.sensor(mode="reschedule", poke_interval=30, timeout=timedelta(days=60).total_seconds(), retries=10)
    def await_hotfix(case_id):
        return cases.await_hotfix(case_id)

    @task(outlets=[CAMPAIGN_PLANNED], retries=2)
    def hand_over(campaign_id, *, outlet_events=None):
        outlet_events[CAMPAIGN_PLANNED].add_partitions([campaign_id] if campaign_id else [])
        return campaign_id

    hand_over(await_hotfix(open_case()))


emergency_patch()
