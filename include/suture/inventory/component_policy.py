"""components.yaml, typed: which packages of other ecosystems are looked for on hosts, where, and how long."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suture import policy

_MIB = 1024 * 1024


@dataclass(frozen=True)
class ComponentPolicy:
    """ecosystems: purl types, () for none. roots: absolute folders. The bounds are of one host."""

    ecosystems: tuple[str, ...]
    roots: tuple[str, ...]
    max_depth: int
    max_entries: int
    max_components: int
    max_seconds: float
    max_file_bytes: int
    max_archive_bytes: int

    @classmethod
    def load(cls, policy_dir: Path) -> ComponentPolicy:
        """Read components.yaml; a policy folder without one looks for nothing. Raises PolicyError."""
        path = policy_dir / "components.yaml"
        if not path.exists():
            return cls((), (), 1, 1, 1, 1.0, 1, 1)
        found = policy.load(path, "components")
        return cls(
            ecosystems=tuple(found["ecosystems"]),
            roots=tuple(found["roots"]),
            max_depth=found["max_depth"],
            max_entries=found["max_entries"],
            max_components=found["max_components"],
            max_seconds=float(found["max_seconds"]),
            max_file_bytes=int(found["max_file_mib"] * _MIB),
            max_archive_bytes=int(found["max_archive_mib"] * _MIB),
        )

    def asked(self) -> dict[str, Any]:
        """What a playbook is told (`suture.components`)."""
        return {**vars(self), "ecosystems": list(self.ecosystems), "roots": list(self.roots)}
