"""What every version order offers: parse, sort_key, compare. A text that is no version raises BadVersionError."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Sortable = Any  # comparable with its own kind: bytes, or (maven) an object with < and ==


@dataclass(frozen=True)
class VersionOrder:
    """parse: a version's parts, as its module describes them. sort_key: what sorts in the ecosystem's order."""

    ecosystem: str
    parse: Callable[[str], Any]
    sort_key: Callable[[str], Sortable]

    def byte_key(self, version: str) -> bytes | None:
        """The key for SQL; None where the ecosystem has none. Raises BadVersionError."""
        key = self.sort_key(version)
        return key if isinstance(key, bytes) else None

    def compare(self, one: str, other: str) -> int:
        """-1, 0 or 1: `one` is older than, equal to, newer than `other`. Raises BadVersionError."""
        key, other_key = self.sort_key(one), self.sort_key(other)
        return int(key > other_key) - int(key < other_key)

    def relation(self, one: str, other: str) -> str:
        """`<`, `=` or `>`. Raises BadVersionError."""
        return "=><"[self.compare(one, other)]
