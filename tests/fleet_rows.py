"""A few hosts and advisories in a warehouse, for the tests of matching, scoring and planning."""

from __future__ import annotations

from datetime import UTC, datetime

from suture.store import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def add_host(
    store: Store,
    host_id: str,
    *,
    asset_group: str = "web",
    environment: str = "production",
    criticality: str = "high",
    exposure: str = "open",
    codename: str | None = "bookworm",
) -> None:
    store.copy_rows(
        "host",
        ["host_id", "asset_group", "environment", "criticality", "exposure", "os_id", "os_codename", "collected_at"],
        [(host_id, asset_group, environment, criticality, exposure, "debian", codename, NOW)],
    )


def install(
    store: Store, host_id: str, package: str, version: str, *, source: str | None = None, status: str = "ii"
) -> None:
    store.copy_rows(
        "host_package",
        ["host_id", "package", "architecture", "version", "source_package", "source_version", "dpkg_status"],
        [(host_id, package, "amd64", version, source or package, version, status)],
    )


def add_advisory(
    store: Store,
    source_package: str,
    fixed_version: str,
    *,
    source: str = "debian-security",
    codename: str | None = "bookworm",
    cves: tuple[str, ...] = (),
    packages: tuple[str, ...] | None = None,
) -> str:
    advisory_id = f"{source}/{source_package}@{fixed_version}"
    store.copy_rows(
        "advisory",
        ["advisory_id", "source", "suite", "source_package", "fixed_version", "codename", "first_seen_at"],
        [(advisory_id, source, "bookworm-security", source_package, fixed_version, codename, NOW)],
    )
    store.copy_rows("advisory_cve", ["advisory_id", "cve_id"], [(advisory_id, cve) for cve in cves])
    store.copy_rows(
        "advisory_package",
        ["advisory_id", "package", "version", "architecture"],
        [(advisory_id, package, fixed_version, "amd64") for package in packages or (source_package,)],
    )
    return advisory_id
