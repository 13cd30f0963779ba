"""The fields that the forms of several DAGs have, as Airflow's trigger page shows them."""

from __future__ import annotations

from airflow.sdk import Param

CAMPAIGN_ID = r"^SUT-[0-9]{4}-[0-9]{4,}$"
MOST_CHARACTERS = 2000


def campaign_field(description: str) -> Param:
    """A campaign's id. Empty when the form opens: the DAG refuses it then, in words."""
    return Param(None, type=["null", "string"], pattern=CAMPAIGN_ID, title="Campaign", description=description)


def reason_field(title: str, description: str) -> Param:
    """A text in the person's own words."""
    return Param("", type="string", maxLength=MOST_CHARACTERS, title=title, description=description)
