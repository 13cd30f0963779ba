"""Deciding in the warehouse: every distinct (ecosystem, package, version, release) that hosts have, once.

The rules:

1. SQL finds which installed versions lie in which ranges, by keys that are made once per distinct version
   (versions/). Deciding itself (VEX, rejected, aliases) is Python over those candidates: some thousands, whatever the
   number of hosts.
2. Only what changed is written, so that `decided_at` says which hosts have to be looked at again; what is no longer in a
   range loses its row. Deciding again without news writes nothing.
3. `packages` narrows the work to some packages (those of new advisories), `host_ids` to the versions that some hosts
   have: the rows of the others stay.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.inventory.deciding import Claim, Decision, Knowledge, canonical_names, decide
from suture.inventory.spans import Span
from suture.inventory.statements import Installed, by_package, statement_of
from suture.inventory.versions import BadVersionError, order_of
from suture.store import Json, Store
from suture.store.holdings import keep_holdings

_AT_ONCE = 5_000
_FEW = 200  # packages: so few are worked on in the template of the work table
_ANALYZED = 500  # rows: fewer are joined as well without knowing how many they are
_KEY = ("ecosystem", "source_package", "source_version", "os_codename", "advisory_id")


@dataclass(frozen=True)
class PairCounts:
    """What one deciding came to. uncertain: sentences on what could not be compared."""

    decided: int
    affected: int
    written: int
    deleted: int
    uncertain: tuple[str, ...]


def decide_pairs(
    store: Store,
    *,
    now: datetime,
    packages: Sequence[str] | None = None,
    host_ids: Sequence[str] | None = None,
    holdings_kept: bool = False,
) -> PairCounts:
    """Bring advisory_pair to what hosts and advisories say now.

    packages: 'ecosystem/package' of those to look at; host_ids: only the versions that these hosts have; None: all.
    holdings_kept: the caller has just brought the holdings up to date.
    """
    only = None if packages is None else sorted(set(packages))
    in_place = only is not None and host_ids is None and len(only) <= _FEW
    names = {"names": None if only is None or host_ids is not None else _names(only)}
    with store.transaction():
        if not holdings_kept:
            keep_holdings(store)
        _fill_installed(store, only, host_ids, in_place=in_place)
        _fill_version_keys(store, names, whole=only is None and host_ids is None)
        candidates = store.fetch_all("pair/list_candidate_pairs", names)
        decisions, uncertain = _decide_all(store, candidates)
        wanted = {tuple(row[name] for name in _KEY): row for row in map(_row, decisions)}
        rows = (
            store.fetch_all("pair/list_pairs", {"packages": only, **names, "ecosystems": _ecosystems(only)})
            if host_ids is None
            else store.fetch_all("pair/list_installed_pairs")
        )
        standing = {tuple(row[name] for name in _KEY): row for row in rows}
        changed = [row for key, row in wanted.items() if standing.get(key) != row]
        gone = [dict(zip(_KEY, key, strict=True)) for key in standing if key not in wanted]
        for part in _parts(changed):
            store.execute("pair/upsert_pairs", {"rows": Json(part), "now": now})
        for part in _parts(gone):
            store.execute("pair/delete_pairs", {"rows": Json(part)})
        if in_place:
            store.execute("pair/close_work")
    affected = sum(decision.status == "affected" for decision in decisions)
    return PairCounts(len(decisions), affected, len(changed), len(gone), tuple(dict.fromkeys(uncertain)))


def fill_version_keys(store: Store) -> int:
    """Give every version that hosts or advisories name its sort key; how many were new."""
    with store.transaction():
        keep_holdings(store)
        _fill_installed(store, None, None)
        return _fill_version_keys(store, {"names": None}, whole=True)


def _fill_installed(
    store: Store, packages: Sequence[str] | None, host_ids: Sequence[str] | None, *, in_place: bool = False
) -> None:
    store.execute("pair/open_work", {"in_place": in_place})
    if host_ids is not None:
        rows = store.execute("pair/fill_installed_of_hosts", {"host_ids": list(host_ids)})
    elif packages is not None:
        rows = store.execute("pair/fill_installed_of_packages", {"packages": packages, "names": _names(packages)})
    else:
        rows = store.execute("pair/fill_installed")
    if rows > _ANALYZED or not in_place:
        store.execute("pair/analyze_work")


def _fill_version_keys(store: Store, names: Mapping[str, Sequence[str] | None], *, whole: bool) -> int:
    found = store.fetch_all("finding/list_unkeyed_versions", names)
    if whole:
        found += store.fetch_all("finding/list_unkeyed_debian_versions")
    fresh = dict.fromkeys((row["ecosystem"], row["version"]) for row in found)
    rows = [_key_row(ecosystem, version) for ecosystem, version in fresh]
    for part in _parts([row for row in rows if row["ecosystem"] == "deb"]):
        store.execute("finding/insert_version_keys", {"rows": Json(part)})
    for part in _parts([row for row in rows if row["ecosystem"] != "deb"]):
        store.execute("finding/insert_ecosystem_keys", {"rows": Json(part)})
    return len(fresh)


def _names(packages: Sequence[str]) -> list[str]:
    return sorted({package.partition("/")[2] for package in packages})


def _ecosystems(packages: Sequence[str] | None) -> list[str]:
    return sorted({package.partition("/")[0] for package in packages or ()})


def _key_row(ecosystem: str, version: str) -> dict[str, str | None]:
    row: dict[str, str | None] = {"ecosystem": ecosystem, "version": version, "sort_key_hex": None, "error": None}
    try:
        key = order_of(ecosystem).byte_key(version)
        return {**row, "sort_key_hex": key.hex() if key is not None else None}
    except BadVersionError as error:
        return {**row, "error": error.message}


def _decide_all(store: Store, candidates: Sequence[Mapping[str, Any]]) -> tuple[list[Decision], list[str]]:
    advisory_ids = sorted({name for row in candidates for name in row["advisory_ids"]})
    claims: dict[str, list[Claim]] = defaultdict(list)
    rows = store.fetch_all("pair/list_claims", {"advisory_ids": advisory_ids})
    for row in rows:
        claims[row["advisory_id"]].append(_claim(row))
    knowledge = _knowledge(store, candidates, rows)
    decisions: list[Decision] = []
    uncertain: list[str] = []
    for (ecosystem, package, version, codename), found in _by_place(candidates).items():
        os_ids = {row["os_id"] for row in found}
        # Hosts of two distributions with one code name (or none): no statement may speak for just one of them.
        os_id = next(iter(os_ids)) if len(os_ids) == 1 else ""
        about = [claim for name in sorted({n for row in found for n in row["advisory_ids"]}) for claim in claims[name]]
        made, doubts = decide(Installed(ecosystem, package, version, codename, os_id), about, knowledge)
        decisions += made
        uncertain += doubts
    return decisions, uncertain


def _by_place(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str, str], list[Mapping[str, Any]]]:
    found: dict[tuple[str, str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["ecosystem"], row["source_package"], row["source_version"], row["os_codename"]].append(row)
    return found


def _claim(row: Mapping[str, Any]) -> Claim:
    return Claim(
        advisory_id=row["advisory_id"], ecosystem=row["ecosystem"], package=row["package"], codename=row["codename"],
        spans=tuple(map(span_of, row["spans"])), source=row["source"], cves=row["cves"], names=tuple(row["names"]),
        published_at=row["published_at"], plannable=row["plannable"], phased=row["phased"],
    )  # fmt: skip


def span_of(row: Mapping[str, Any]) -> Span:
    """A row of advisory_range, from the warehouse or from a decoder."""
    return Span(
        introduced=row.get("introduced"), fixed=row.get("fixed"), last_affected=row.get("last_affected"),
        limit_before=row.get("limit_before"), versions=tuple(row.get("versions") or ()),
        state=row.get("state") or "affected", cve_ids=tuple(row.get("cve_ids") or ()), key=row.get("key") or "",
        module=row.get("module") or "",
    )  # fmt: skip


def _knowledge(
    store: Store, candidates: Sequence[Mapping[str, Any]], claims: Sequence[Mapping[str, Any]]
) -> Knowledge:  # fmt: skip
    packages = sorted({f"{row['ecosystem']}/{row['source_package']}" for row in candidates})
    statements = map(statement_of, store.fetch_all("pair/list_package_statements", {"packages": packages}))
    names = sorted({name for row in claims for name in row["cves"]})
    rejected = store.fetch_all("pair/list_rejected_cves", {"cve_ids": names})
    return Knowledge(
        rejected=frozenset(row["cve_id"] for row in rejected),
        statements=by_package(statements),
        canonical=canonical_names(row["names"] for row in claims),
    )


def _row(decision: Decision) -> dict[str, Any]:
    return {
        "advisory_id": decision.advisory_id,
        "ecosystem": decision.installed.ecosystem,
        "source_package": decision.installed.package,
        "source_version": decision.installed.version,
        "os_codename": decision.installed.codename,
        "fixed_version": decision.fixed_version,
        "status": decision.status,
        "grounds": decision.grounds,
    }


def _parts(rows: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))
