"""What policy sets for the examiner `sbom` (examination.yaml), beside the actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Identity:
    """Who may sign through sigstore: the certificate's subject (an address or a workflow) and who vouched for it."""

    subject: str
    issuer: str


@dataclass(frozen=True)
class SbomSettings:
    """required: a package must come with an SBOM. provenance_required: and with an attestation that is proven.

    builders, source_repositories: what an attestation must name, () for any. keys: PEM files of those who sign. known_names:
    ecosystem (a purl's type) → names that others imitate, namespace/name where there is one. near_names: honest names that are
    near to one of those. moves: purls without version,
    old → new, of packages that lawfully changed their namespace.
    """

    required: bool = False
    provenance_required: bool = False
    builders: tuple[str, ...] = ()
    source_repositories: tuple[str, ...] = ()
    keys: tuple[Path, ...] = ()
    identities: tuple[Identity, ...] = ()
    known_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    near_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    moves: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def read(cls, settings: Mapping[str, Any], policy_dir: Path) -> SbomSettings:
        """Of ExaminationPolicy.settings("sbom"), which the schema has checked. Paths are taken from policy_dir."""
        provenance = settings.get("provenance", {})
        return cls(
            required=settings.get("required", False),
            provenance_required=provenance.get("required", False),
            builders=tuple(provenance.get("builders", ())),
            source_repositories=tuple(provenance.get("source_repositories", ())),
            keys=tuple(policy_dir / name for name in provenance.get("keys", ())),
            identities=tuple(Identity(one["subject"], one["issuer"]) for one in provenance.get("identities", ())),
            known_names={kind: tuple(names) for kind, names in settings.get("known_names", {}).items()},
            near_names={kind: tuple(names) for kind, names in settings.get("near_names", {}).items()},
            moves=frozenset((move["from"], move["to"]) for move in settings.get("moves", ())),
        )
