"""The states of a vendor case and the lawful moves between them. STATES.md is written from here."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from suture.errors import SutureError


class CaseState(StrEnum):
    OPEN = "open"
    ASKED = "asked"
    ACKNOWLEDGED = "acknowledged"
    OFFERED = "offered"
    ROLLING_OUT = "rolling_out"
    IN_PLACE = "in_place"
    REFUSED = "refused"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"


_S = CaseState
MEANING: Mapping[CaseState, str] = {
    _S.OPEN: "The case is written down; the vendor does not know of it yet.",
    _S.ASKED: "The vendor was asked; the clock of the acknowledgement runs.",
    _S.ACKNOWLEDGED: "The vendor answered; the clock of the fix runs.",
    _S.OFFERED: "The vendor says that a hotfix is to be had. Nothing of it is proven yet.",
    _S.ROLLING_OUT: "A campaign brings the hotfix through the same gates as any patch, to the case's hosts only.",
    _S.IN_PLACE: "The hotfix runs on its hosts. It stands until the regular release replaces it, and must be replaced.",
    _S.REFUSED: "The hotfix did not pass the gates, or was rolled back. The vendor can offer another.",
    _S.DECLINED: "The vendor will not give a hotfix: mitigate, accept the risk, or wait for the regular release.",
    _S.WITHDRAWN: "The case was given up.",
    _S.REPLACED: "The regular release is on every host that had the hotfix, and the hotfix is retired.",
}
LAWFUL: Mapping[CaseState, frozenset[CaseState]] = {
    _S.OPEN: frozenset({_S.ASKED, _S.WITHDRAWN}),
    _S.ASKED: frozenset({_S.ACKNOWLEDGED, _S.OFFERED, _S.DECLINED, _S.WITHDRAWN}),
    _S.ACKNOWLEDGED: frozenset({_S.OFFERED, _S.DECLINED, _S.WITHDRAWN}),
    _S.OFFERED: frozenset({_S.ROLLING_OUT, _S.REFUSED, _S.DECLINED, _S.WITHDRAWN}),
    _S.ROLLING_OUT: frozenset({_S.IN_PLACE, _S.REFUSED}),
    _S.REFUSED: frozenset({_S.OFFERED, _S.DECLINED, _S.WITHDRAWN}),
    _S.IN_PLACE: frozenset({_S.REPLACED, _S.REFUSED}),
    _S.DECLINED: frozenset(),
    _S.WITHDRAWN: frozenset(),
    _S.REPLACED: frozenset(),
}
WAITS_FOR_VENDOR = frozenset({_S.ASKED, _S.ACKNOWLEDGED, _S.REFUSED})
TERMINAL = frozenset(state for state, ways in LAWFUL.items() if not ways)


class CaseError(SutureError):
    """A step of a case that does not count: nothing was changed by it."""
