"""Which of two versions is newer, by the rules of their ecosystem.

deb, rpm, PyPI, npm and Maven have their orders in the inventory's room. Ecosystems that demand semantic versions are compared by
those; of the others only plain numbers with points are, because guessing an order would let a step back pass.
"""

from __future__ import annotations

import re

from suture.inventory.versions import ORDERS, BadVersionError
from suture.sourcing.sbom.model import Component

_SEMANTIC = ("cargo", "golang", "hex", "pub", "swift")
_NUMBERS = re.compile(r"[vV]?([0-9]{1,18}(?:\.[0-9]{1,18}){0,9})")


def compare(one: Component, other: Component) -> int | None:
    """-1, 0, 1: `one` is older than, equal to, newer than `other`. None: no order is known for them.

    Purls are asked first. Where the components' own versions say that it went back, it went back.
    """
    kind = one.purl.type if one.purl else other.purl.type if other.purl else ""
    found = _ordered(kind, _version(one), _version(other))
    own = _ordered(kind, one.version, other.version) if one.version and other.version else found
    return -1 if own == -1 else found


def _ordered(kind: str, first: str, second: str) -> int | None:
    if first == second:
        return 0 if first else None
    order = ORDERS.get("npm" if kind in _SEMANTIC else kind)
    if order is not None:
        try:
            return order.compare(first, second)
        except BadVersionError:
            if kind in ("deb", "rpm", "maven", "pypi"):
                return None
    numbers, others = _numbers(first), _numbers(second)
    if numbers is None or others is None:
        return None
    return (numbers > others) - (numbers < others)


def _version(component: Component) -> str:
    version = component.stated_version
    if (
        component.purl
        and component.purl.type == "rpm"
        and (epoch := component.purl.qualifier("epoch"))
        and ":" not in version
    ):
        return f"{epoch}:{version}"
    return version


def _numbers(version: str) -> tuple[int, ...] | None:
    found = _NUMBERS.fullmatch(version)
    if found is None:
        return None
    numbers = [int(part) for part in found[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
