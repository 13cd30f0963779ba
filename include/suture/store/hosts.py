"""Hosts and what is installed on them, as last seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb as Json

from suture.store.connection import Row, Store

_PACKAGE_COLUMNS = (
    "package",
    "architecture",
    "version",
    "source_package",
    "source_version",
    "dpkg_status",
    "held",
)


def write_host(store: Store, host: Mapping[str, Any], packages: Sequence[Mapping[str, Any]]) -> None:
    """A host that was reached, with all of its packages in place of the old ones, in one transaction.

    Packages that are as they were are not written: a host without news is not matched again.
    """
    with store.transaction():
        store.execute("host/upsert_host", host)
        seen = store.fetch_all("host/list_host_packages", {"host_id": host["host_id"]})
        if _as_set(seen) == _as_set(packages):
            return
        store.execute("host/delete_host_packages", {"host_id": host["host_id"]})
        store.copy_rows(
            "host_package",
            ("host_id", *_PACKAGE_COLUMNS),
            [(host["host_id"], *(package[name] for name in _PACKAGE_COLUMNS)) for package in packages],
        )


def _as_set(packages: Sequence[Mapping[str, Any]]) -> set[tuple[Any, ...]]:
    return {tuple(package[name] for name in _PACKAGE_COLUMNS) for package in packages}


def write_components(
    store: Store, host_id: str, ecosystems: Sequence[str], rows: Sequence[Sequence[Any]], *, complete: bool = True
) -> None:
    """A host's components of these ecosystems, in place of the old ones, in one transaction.

    rows: ecosystem, name, version, source name or None, source version or None, location, collected_at. complete: False
    keeps what the rows do not name in another version. Components that are as they were are not written: the host is not
    matched again.
    """
    columns = ("ecosystem", "name", "version", "source_name", "source_version", "location")
    with store.transaction():
        known = {
            tuple(row[name] for name in columns)
            for row in store.fetch_all("component/list_host_components", {"host_id": host_id})
            if row["ecosystem"] in ecosystems
        }
        given = {tuple(row[: len(columns)]): row for row in rows}
        fresh = [row for key, row in given.items() if key not in known]
        gone = known - set(given)
        if not complete:  # only what the rows name in another version, at the same place
            places = {(key[0], key[1], key[-1]) for key in given}
            gone = {key for key in gone if (key[0], key[1], key[-1]) in places}
        if gone:
            keys = [dict(zip(columns, key, strict=True)) for key in gone]
            store.execute("component/delete_host_components", {"host_id": host_id, "keys": Json(keys)})
        store.copy_rows("host_component", ("host_id", *columns, "collected_at"), [(host_id, *row) for row in fresh])


def list_components(store: Store, host_id: str) -> list[Row]:
    """What a host has of other ecosystems than Debian's, by ecosystem and name."""
    return store.fetch_all("component/list_host_components", {"host_id": host_id})


def write_unreached(store: Store, host: Mapping[str, Any]) -> None:
    """A host that was not reached: what was known of it stays, and its age with it."""
    store.execute("host/upsert_unreached_host", host)


def retire_absent(store: Store, present: Sequence[str], *, at: datetime) -> list[str]:
    """Hosts that are not managed any more; those that were retired now."""
    return [row["host_id"] for row in store.fetch_all("host/retire_hosts", {"present": list(present), "at": at})]


def list_hosts(store: Store) -> list[Row]:
    """Every host that is managed, by name. collected_at None: never reached."""
    return store.fetch_all("host/list_hosts")


def staging_hosts(store: Store, staging_group: str | None, source_packages: Sequence[str]) -> tuple[str, ...]:
    """Live staging hosts of a group on which any of these source packages is installed, by name. () without a group."""
    if staging_group is None:
        return ()
    params = {"asset_group": staging_group, "source_packages": list(source_packages)}
    return tuple(row["host_id"] for row in store.fetch_all("host/list_staging_hosts", params))


def installed_packages(store: Store, host_id: str) -> dict[str, str]:
    """{package: version} as last seen; {} for a host that was never reached."""
    rows = store.fetch_all("host/list_installed_packages", {"host_id": host_id})
    return {row["package"]: row["version"] for row in rows}
