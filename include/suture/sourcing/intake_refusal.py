"""Why an intake is refused although its source is sound."""

from __future__ import annotations

from enum import StrEnum

from suture.errors import SutureError
from suture.sourcing.packages import BinaryPackage
from suture.sourcing.source import AptSource

WIDEN_SHIPS = (
    "If it should, widen `ships` of the source in sources.yaml by a reviewed change; else ask the vendor why it is there."
)


class IntakeReason(StrEnum):
    """Why an intake is refused although its source may be sound. A source's own refusal gives a RefusalReason."""

    VERSION_MISSING = "version_missing"
    VERSION_RETIRED = "version_retired"
    DEPENDENCY_MISSING = "dependency_missing"
    OUT_OF_SCOPE = "out_of_scope"


class IntakeRefused(SutureError):
    """The campaign's packages cannot be taken in; `reason` is one of IntakeReason."""

    def __init__(self, reason: IntakeReason, sentence: str, remedy: str) -> None:
        super().__init__(sentence, remedy=remedy)
        self.reason = reason


def require_in_scope(package: BinaryPackage, asset_group: str, source: AptSource) -> None:
    """Raises IntakeRefused for a package that policy does not let the source ship to this asset group."""
    if source.scope.ships(package.source) and source.scope.serves(asset_group):
        return
    what = f"to {asset_group}" if source.scope.ships(package.source) else f"packages of {package.source}"
    raise IntakeRefused(
        IntakeReason.OUT_OF_SCOPE,
        f"{source.name} lists {package.name} {package.version}, but policy does not let it ship {what}.",
        WIDEN_SHIPS,
    )
