"""Where a campaign's packages come from and what is in them, as pages and reports show it. Reads, never writes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from suture.campaign import fetch_campaign
from suture.compliance.document import as_json
from suture.store import Store, sources

MOST_INTAKES = 100
Json = dict[str, Any]


def provenance_view(store: Store, campaign_id: str) -> Json:
    """A campaign's newest intake with its chain and examinations: {"campaign", "intake" (None: none yet), "earlier", "examinations",
    "counts", "sboms": every bill of materials that was read, with its verdict, what it was compared with, and where it is kept,
    "attestations": of every package whose source gives them}.

    Raises LifecycleError when there is no such campaign.
    """
    campaign = fetch_campaign(store, campaign_id)
    intakes = sources.list_intakes(store, campaign_id=campaign_id)
    newest = intakes[0] if intakes else None
    examinations = (
        store.fetch_all("intake/list_examinations", {"intake_id": newest["intake_id"]}) if newest is not None else []
    )
    case_id = campaign.plan.extra.get("case_id")
    found: Json = as_json(
        {
            "campaign": {
                "campaign_id": campaign_id, "title": campaign.title, "state": campaign.state.value, "source": campaign.plan.source,
                "case_id": case_id, "in_quarantine": campaign.plan.in_quarantine,
            },
            "intake": dict(newest) if newest else None,
            "earlier": [dict(row) for row in intakes[1:]],
            "examinations": [dict(row) for row in examinations],
            "counts": _counts(examinations),
            "sboms": _sboms(store, newest["intake_id"], examinations) if newest is not None else [],
            "attestations": _attestations(newest["chain"], examinations) if newest is not None else [],
        }
    )  # fmt: skip
    return found


def intake_list(store: Store, *, now: datetime) -> list[Json]:  # noqa: ARG001
    """The newest MOST_INTAKES intakes, adopted or refused, newest first."""
    found: list[Json] = as_json([dict(row) for row in sources.list_intakes(store, limit=MOST_INTAKES)])
    return found


def source_proofs(store: Store) -> list[Json]:
    """How every source is that is proven on schedule: refused ones first, then those whose keys raise an alarm."""
    found: list[Json] = as_json([dict(row) for row in sources.list_source_proofs(store)])
    return found


def _counts(examinations: list[Any]) -> Json:
    """examiner → how many packages it looked at, and how many concerns of each action it has."""
    found: dict[str, dict[str, int]] = {}
    for row in examinations:
        count = found.setdefault(row["examiner"], {"packages": 0, "note": 0, "review": 0, "refuse": 0})
        count["packages"] += 1
        for concern in row["concerns"]:
            count[concern["action"]] += 1
    return found


def _sboms(store: Store, intake_id: int, examinations: list[Any]) -> list[Json]:
    """One a document. action: of the concerns about it (None: none). object: None where it was not kept, since nothing was adopted."""
    kept = {
        (row["package"], row["architecture"], row["document"]): row["object_uri"]
        for row in store.fetch_all("sbom/list_intake_sboms", {"intake_id": intake_id})
    }
    found: list[Json] = []
    for row in examinations:
        if row["examiner"] != "sbom":
            continue
        for document in row["facts"].get("documents", ()):
            # The sternest comes first in an examination's concerns.
            about = [concern for concern in row["concerns"] if concern["details"].get("document") == document["name"]]
            found.append(
                {
                    "package": row["package"], "version": row["version"], "architecture": row["architecture"],
                    "name": document["name"], "place": document["place"], "document": document["document"],
                    "root": document["root"], "counts": document["counts"], "before": document["before"],
                    "difference": document.get("difference"), "action": about[0]["action"] if about else None, "concerns": about,
                    "object": kept.get((row["package"], row["architecture"], document["name"])),
                }
            )  # fmt: skip
    return found


def _attestations(chain: Any, examinations: list[Any]) -> list[Json]:
    """One a package whose source gives attestations. file: None where it came without. object: None where it was not kept."""
    kept = {
        (one["package"], one["version"], one["architecture"]): one["object"]
        for one in chain.get("examination", {}).get("attestations", ())
    }
    return [
        {
            "package": row["package"], "version": row["version"], "architecture": row["architecture"], "action": row["action"],
            "concerns": row["concerns"], "object": kept.get((row["package"], row["version"], row["architecture"])), **row["facts"],
        }
        for row in examinations
        if row["examiner"] == "provenance" and "place" in row["facts"]
    ]  # fmt: skip
