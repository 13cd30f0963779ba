"""What tests of feeds share."""

from __future__ import annotations

import pytest

from suture.feeds import bulk_reading, cve_rows


@pytest.fixture
def by_python(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the records that Python's reader is asked for."""
    names: list[str] = []

    def noted(raw: bytes, digest: bytes, *, where: str, scratch: bytearray | None = None) -> cve_rows.CveRows:
        names.append(where)
        return cve_rows.rows_of(raw, digest, where=where, scratch=scratch)

    monkeypatch.setattr(bulk_reading, "rows_of", noted)
    return names
