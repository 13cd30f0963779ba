"""The CVEs of a vendor's products, as CVE records name them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from suture.errors import BadInputError
from suture.risk.cvss_scoring import assess, without_environment
from suture.risk.facts import choose_score
from suture.risk.scoring import score_claims
from suture.store import Store


@dataclass(frozen=True)
class AffectedProduct:
    """An entry of a record. source: who says so (cna:<name>, adp:<name>); default_status: of the versions that are not
    named, None: not said; versions: {version, status, lessThan, lessThanOrEqual, versionType, changes} as the record has
    them."""

    vendor: str | None
    product: str | None
    collection_url: str | None
    source: str
    default_status: str | None
    versions: tuple[Mapping[str, Any], ...]

    @property
    def ranges(self) -> str:
        """The affected versions in words, "" when none is named."""
        found = [_words(version) for version in self.versions if version["status"] == "affected"]
        return ", ".join(found)


@dataclass(frozen=True)
class AffectedCve:
    """score: the base score of the claim that counts (PRECEDENCE), None: unscored; score_source, vector: that claim's.
    epss: from 0 to 1; kev_added, exploitation, epss None: not listed, not said."""

    cve_id: str
    state: str
    title: str | None
    published_at: datetime | None
    modified_at: datetime | None
    score: float | None
    score_source: str | None
    vector: str | None
    kev_added: date | None
    kev_due: date | None
    exploitation: str | None
    epss: float | None
    products: tuple[AffectedProduct, ...]


def affected_cves(store: Store, named: Sequence[tuple[str, str | None]], *, max_rows: int = 100) -> list[AffectedCve]:
    """The CVEs whose records name one of these (vendor, product; None: any product), newest first.

    Case of ASCII letters does not count. Raises BadInputError for an empty name and for a limit below 1."""
    if max_rows < 1:
        raise BadInputError("The limit must be at least 1.")
    if not named or any(not vendor or product == "" for vendor, product in named):
        raise BadInputError("An affected product needs its vendor's name.", remedy="Write it as CVE records do.")
    if any("\0" in (name or "") for pair in named for name in pair):
        raise BadInputError("A name of a vendor or product holds a NUL character.")
    rows = store.fetch_all(
        "cve/list_affected_cves",
        {"vendors": [vendor for vendor, _ in named], "products": [name for _, name in named], "max_rows": max_rows},
    )
    return [_affected(row) for row in rows]


def _affected(row: Mapping[str, Any]) -> AffectedCve:
    chosen = choose_score(score_claims(row["claims"] or ()))
    score = None
    if chosen is not None:
        vector = chosen.claim.vector
        score = assess(without_environment(vector)).base_score if vector else chosen.claim.base_score
    return AffectedCve(
        cve_id=row["cve_id"], state=row["state"], title=row["title"], published_at=row["published_at"],
        modified_at=row["modified_at"], score=score, score_source=chosen.claim.source if chosen else None,
        vector=(chosen.claim.vector or None) if chosen else None, kev_added=row["kev_added"], kev_due=row["kev_due"],
        exploitation=row["exploitation"], epss=row["epss"],
        products=tuple(
            AffectedProduct(**{**found, "versions": tuple(found["versions"])}) for found in row["products"] or ()
        ),
    )  # fmt: skip


def _words(version: Mapping[str, Any]) -> str:
    start = str(version["version"])
    if "lessThan" in version:
        return f"{start} to before {version['lessThan']}"
    return f"{start} to {version['lessThanOrEqual']}" if "lessThanOrEqual" in version else start
