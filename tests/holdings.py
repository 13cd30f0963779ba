"""What holdings have to say, found out from the packages themselves: for the tests that change a fleet."""

from __future__ import annotations

from typing import Any

from psycopg.rows import tuple_row

from suture.store import Store

_FROM_PACKAGES = """
SELECT component.host_id, host.asset_group, host.criticality, host.exposure, component.ecosystem, component.source_package,
    component.os_codename, component.os_id, component.package, component.source_version,
    component.held::integer + 2 * (substr(component.dpkg_status, 2, 1) IN ('U', 'F', 'H'))::integer
    + 4 * component.runs_only::integer
    + 8 * coalesce(host.facts -> 'stale_packages' ? component.package, FALSE)::integer AS standing
FROM installed_component AS component INNER JOIN host ON component.host_id = host.host_id
"""
_FROM_HOLDINGS = """
SELECT finding_host.host_id, asset_kind.asset_group, asset_kind.criticality, asset_kind.exposure, holding.ecosystem,
    holding.source_package, holding.os_codename, holding.os_id, part.package, part.version, part.standing
FROM host_holding
INNER JOIN finding_host ON host_holding.host_no = finding_host.host_no
INNER JOIN asset_kind ON host_holding.kind_id = asset_kind.kind_id
CROSS JOIN LATERAL unnest(host_holding.holding_ids) AS held (holding_id)
INNER JOIN holding ON held.holding_id = holding.holding_id
CROSS JOIN LATERAL unnest(holding.packages, holding.versions, holding.standings) AS part (package, version, standing)
"""


def rows(store: Store, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with store._connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(statement.encode(), values).fetchall()


def assert_kept(store: Store) -> int:
    """Holdings say what the packages say, groups the same as hosts, and nothing is left over; how many package rows."""
    found = sorted(rows(store, _FROM_HOLDINGS))
    assert found == sorted(rows(store, _FROM_PACKAGES))
    managed = rows(store, "SELECT host_id FROM host WHERE retired_at IS NULL ORDER BY host_id")
    kept = "SELECT host_id FROM host_holding INNER JOIN finding_host USING (host_no) ORDER BY host_id"
    assert set(rows(store, kept)) <= set(managed)
    by_host = rows(store, "SELECT unnest(holding_ids), host_no / 1024, kind_id, host_no FROM host_holding ORDER BY 1, 4")
    by_group = "SELECT holding_id, host_block, kind_id, unnest(host_nos) FROM holding_group ORDER BY 1, 4"
    assert rows(store, by_group) == by_host
    used = rows(store, "SELECT DISTINCT holding_id FROM holding_group ORDER BY 1")
    assert rows(store, "SELECT holding_id FROM holding ORDER BY 1") == used
    assert rows(store, "SELECT count(*) FROM holding_change") == [(0,)]
    return len(found)
