"""Writing reports: gather, draw, keep in the object store, note in the warehouse and in evidence, anchor the head."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from suture import evidence
from suture.compliance.document import campaign_document
from suture.compliance.dossier import gather
from suture.compliance.fleet import fleet_document, gather_fleet
from suture.compliance.rendering import render_csv, render_html
from suture.errors import SutureError
from suture.evidence import AnchoredHead, anchor_head, read_anchors
from suture.settings import Settings
from suture.store import Store
from suture.store.objects import StoredObject, digest, open_objects
from suture.wording import counted

CONTENT_TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}
FLEET = "fleet"


class ReportError(SutureError):
    """A report that is not there, or is not what was written."""


@dataclass(frozen=True)
class ReportFiles:
    """Where the three files lie, and the evidence record that says so. coverage: the figure in words."""

    html: StoredObject
    csv: StoredObject
    json: StoredObject
    evidence_seq: int
    coverage: str
    document: Mapping[str, Any]


def write_report(store: Store, settings: Settings, campaign_id: str, *, now: datetime | None = None) -> ReportFiles:
    """Write a campaign's report and say so in evidence. Raises LifecycleError for an unknown campaign."""
    now = (now or datetime.now(UTC)).astimezone(UTC)
    return _keep(store, settings, draw_report(store, settings, campaign_id, now=now), now, campaign_id)


def write_fleet_report(store: Store, settings: Settings, *, now: datetime | None = None) -> ReportFiles:
    """Write the report over all hosts and open findings."""
    now = (now or datetime.now(UTC)).astimezone(UTC)
    return _keep(store, settings, draw_fleet_report(store, settings, now=now), now, None)


def draw_report(store: Store, settings: Settings, campaign_id: str, *, now: datetime) -> dict[str, Any]:
    """A campaign's document, without keeping it anywhere."""
    dossier = gather(store, campaign_id, anchors=known_anchors(settings))
    return campaign_document(dossier, now=now, instance=settings.instance)


def draw_fleet_report(store: Store, settings: Settings, *, now: datetime) -> dict[str, Any]:
    return fleet_document(
        gather_fleet(store, now, anchors=known_anchors(settings)), now=now, instance=settings.instance
    )


def render(document: Mapping[str, Any], form: str) -> bytes:
    """A document as json, csv or html."""
    if form == "json":
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    return (render_csv(document) if form == "csv" else render_html(document)).encode()


@dataclass(frozen=True)
class KeptFile:
    """One file of a report, its bytes proven to be those that evidence names."""

    kind: str
    file_name: str
    content: bytes


def read_kept(store: Store, settings: Settings, report_id: int) -> KeptFile:
    """A kept report's file. Raises ReportError when there is none, or when its bytes are not what was kept."""
    row = store.fetch_one("report/fetch_report", {"report_id": report_id})
    if row is None:
        raise ReportError(f"There is no report {report_id}.", remedy="`./suture campaign show ID` names its reports.")
    _, found, path = row["uri"].partition("/reports/")
    content = open_objects(settings.store_url).get(f"reports/{path}" if found else row["uri"])
    if digest(content) != row["sha256"]:
        raise ReportError(
            f"The file of report {report_id} is not the one that was written: its SHA-256 is {digest(content)[:16]}…, "
            f"evidence record {row['evidence_seq']} names {row['sha256'][:16]}….",
            remedy="Somebody altered the object store. Write the report again and compare the two.",
        )
    return KeptFile(row["kind"], f"{row['campaign_id'] or FLEET}.{row['kind']}", content)


def anchors_file(settings: Settings) -> Path:
    """The anchors' file: in the object store's folder, or in the state folder where the store is no folder."""
    parts = urlsplit(settings.store_url)
    folder = Path(unquote(parts.path)) if parts.scheme == "file" else settings.home / "store"
    return folder / "anchors" / "evidence.jsonl"


def known_anchors(settings: Settings) -> list[AnchoredHead]:
    return read_anchors(secrets_dir=settings.secrets_dir, anchors_file=anchors_file(settings))


def anchor_evidence(store: Store, settings: Settings) -> AnchoredHead | None:
    """Sign the chain's head and keep it outside the warehouse; in S3 also as an object of its own."""
    head = anchor_head(store, secrets_dir=settings.secrets_dir, anchors_file=anchors_file(settings))
    if head is not None and not settings.store_url.startswith("file:"):
        content = json.dumps(vars(head), sort_keys=True).encode()
        open_objects(settings.store_url).put(
            f"anchors/evidence-{head.seq:012d}-{head.hash[:12]}.json", content, content_type="application/json"
        )
    return head


def _keep(
    store: Store, settings: Settings, document: dict[str, Any], now: datetime, campaign_id: str | None
) -> ReportFiles:
    objects = open_objects(settings.store_url)
    fingerprint = digest(render(document, "json"))
    folder = f"reports/{campaign_id or FLEET}/{now:%Y%m%dT%H%M%SZ}-{fingerprint[:12]}"
    kept = {
        form: objects.put(f"{folder}/report.{form}", render(document, form), content_type=content_type)
        for form, content_type in CONTENT_TYPES.items()
    }
    said = coverage_in_words(document)
    with store.transaction():
        seq = evidence.record(
            store,
            actor="suture:compliance_reporting",
            action="report_written",
            subject=f"campaign:{campaign_id}" if campaign_id else "fleet:all",
            campaign_id=campaign_id,
            grounds={
                "sha256": fingerprint,
                "files": {form: {"uri": item.uri, "sha256": item.sha256} for form, item in kept.items()},
                "coverage": said,
                "evidence_head": document["evidence"]["head_seq"],
            },
            at=now,
        )
        for form, item in kept.items():
            store.execute(
                "report/insert_report",
                {
                    "campaign_id": campaign_id,
                    "kind": form,
                    "uri": item.uri,
                    "sha256": item.sha256,
                    "evidence_seq": seq,
                    "created_at": now,
                },
            )
    anchor_evidence(store, settings)
    return ReportFiles(kept["html"], kept["csv"], kept["json"], seq, said, document)


def coverage_in_words(document: Mapping[str, Any]) -> str:
    hosts = document["coverage"]["hosts"]
    if hosts["share"] is None:
        return "no host was counted."
    verb = "is" if hosts["compliant"] == 1 else "are"
    return f"{hosts['compliant']} of {counted(hosts['counted'], 'host')} {verb} compliant ({hosts['share']:.1%})."
