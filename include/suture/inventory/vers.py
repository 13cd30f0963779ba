"""vers: a range of versions as one text, `vers:deb/>=1.0|<2.0` (package-url/vers-spec; ECMA-427's companion).

The rules, which the parser holds to strictly (the specification asks tools to report, not to mend):

1. `vers:` and the scheme are lower case; the scheme is one of the ecosystems here (`deb`, `rpm`, `pypi`, `npm`, `maven`).
   Blanks anywhere, and anything not in printable ASCII, are refused.
2. `vers:<scheme>/*` is every version; a `*` stands alone.
3. Constraints are separated by one `|`; each is a comparator (none means `=`; `!=`, `<`, `<=`, `>`, `>=`) and a version,
   URL-quoted. A version stands once only, whatever the comparator; constraints are sorted by version.
4. Leaving out `=` and `!=` constraints, `>`/`>=` and `<`/`<=` must take turns: two in the same direction have no meaning.
   (An `=` may stand beside them anywhere; a `!=` too.)

A version is in the range when an `=` names it, or when it lies in a stretch and no `!=` names it.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from suture.errors import BadInputError
from suture.inventory.spans import Span
from suture.inventory.versions import ORDERS, BadVersionError, VersionOrder

MAX_LENGTH = 100_000
MAX_CONSTRAINTS = 2_000
_SCHEME = re.compile(r"vers:([a-z0-9.+-]+)/(.+)", re.DOTALL)
_CONSTRAINT = re.compile(r"(!=|<=|>=|<|>|=)?(.+)", re.DOTALL)
_LOWER, _UPPER = (">", ">="), ("<", "<=")


class BadRangeError(BadInputError):
    """A text that is no vers range: it names the text and the reason."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{text[:200]!r} is not a vers range: {why}.")


@dataclass(frozen=True)
class VersRange:
    """Constraints in the order of their versions: (comparator, version). everything: `*`."""

    order: VersionOrder
    constraints: tuple[tuple[str, str], ...]
    everything: bool = False

    def __contains__(self, version: str) -> bool:
        """Raises BadVersionError when it is no version of the range's scheme."""
        key = self.order.sort_key(version)
        if self.everything:
            return True
        for comparator, bound in self.constraints:
            if comparator in ("=", "!=") and self.order.sort_key(bound) == key:
                return comparator == "="
        return any(_between(self.order, key, low, high) for low, high in self._stretches())

    def _stretches(self) -> list[tuple[tuple[str, str] | None, tuple[str, str] | None]]:
        found: list[tuple[tuple[str, str] | None, tuple[str, str] | None]] = []
        low: tuple[str, str] | None = None
        bounds = [item for item in self.constraints if item[0] in (*_LOWER, *_UPPER)]
        for item in bounds:
            if item[0] in _LOWER:
                low = item
            else:
                found.append((low, item))
                low = None
        if low is not None:
            found.append((low, None))
        if not bounds and self.constraints and all(item[0] == "!=" for item in self.constraints):
            found.append((None, None))
        return found

    def spans(self) -> list[Span]:
        """The range as spans. Raises BadInputError where a span cannot say it: an exclusive lower bound, a `!=`."""
        if self.everything:
            return [Span()]
        if any(comparator in ("!=", ">") for comparator, _version in self.constraints):
            raise BadInputError(f"{self} has a `>` or a `!=`, which a span of an advisory cannot say.")
        listed = tuple(version for comparator, version in self.constraints if comparator == "=")
        found = [
            Span(
                introduced=low[1] if low else None,
                fixed=high[1] if high and high[0] == "<" else None,
                last_affected=high[1] if high and high[0] == "<=" else None,
            )
            for low, high in self._stretches()
        ]
        return found + ([Span(versions=listed)] if listed else [])

    def __str__(self) -> str:
        parts = [("" if sign == "=" else sign) + quote(version, safe="+.~:^_-") for sign, version in self.constraints]
        return f"vers:{self.order.ecosystem}/" + ("*" if self.everything else "|".join(parts))


def parse(text: str) -> VersRange:
    """Raises BadRangeError, and BadVersionError for a version that its scheme does not know."""
    if len(text) > MAX_LENGTH:
        raise BadRangeError(text, f"it has more than {MAX_LENGTH} characters")
    if any(not "!" <= character <= "~" for character in text):
        raise BadRangeError(text, "it holds a blank, a control character or one outside ASCII")
    found = _SCHEME.fullmatch(text)
    if found is None:
        raise BadRangeError(text, "it is not vers:<scheme>/<constraints>, scheme in lower case")
    if found[1] not in ORDERS:
        raise BadRangeError(text, f"the scheme {found[1][:40]!r} is not matched here; known are {', '.join(ORDERS)}")
    order = ORDERS[found[1]]
    if found[2] == "*":
        return VersRange(order, (), everything=True)
    pieces = found[2].split("|")
    if len(pieces) > MAX_CONSTRAINTS:
        raise BadRangeError(text, f"it has more than {MAX_CONSTRAINTS} constraints")
    constraints = tuple(_constraint(text, piece, order) for piece in pieces)
    _refuse_disorder(text, constraints, order)
    return VersRange(order, constraints)


def _constraint(text: str, piece: str, order: VersionOrder) -> tuple[str, str]:
    match = _CONSTRAINT.fullmatch(piece)
    if match is None:
        raise BadRangeError(text, "a constraint is empty")
    try:
        version = unquote(match[2], errors="strict")
    except UnicodeDecodeError as error:
        raise BadRangeError(text, "a version's quoted bytes are no UTF-8") from error
    if version == "*":
        raise BadRangeError(text, "`*` stands beside other constraints, or behind a comparator")
    try:
        order.sort_key(version)
    except BadVersionError as error:
        raise BadRangeError(text, error.message.rstrip(".")) from error
    return match[1] or "=", version


def _refuse_disorder(text: str, constraints: tuple[tuple[str, str], ...], order: VersionOrder) -> None:
    keys = [order.sort_key(version) for _sign, version in constraints]
    for place in range(1, len(keys)):
        if keys[place - 1] == keys[place]:
            raise BadRangeError(text, f"the version {constraints[place][1]!r} stands twice")
        if not keys[place - 1] < keys[place]:
            raise BadRangeError(text, f"its versions are not sorted: {constraints[place][1]!r} stands too late")
    directions = [sign in _LOWER for sign, _version in constraints if sign in (*_LOWER, *_UPPER)]
    for one, other in itertools.pairwise(directions):
        if one == other:
            raise BadRangeError(text, f"two constraints in a row are {'lower' if one else 'upper'} bounds")


def _between(order: VersionOrder, key: Any, low: tuple[str, str] | None, high: tuple[str, str] | None) -> bool:
    return (low is None or _meets(low[0], key, order.sort_key(low[1]))) and (
        high is None or _meets(high[0], key, order.sort_key(high[1]))
    )


def _meets(comparator: str, key: Any, bound: Any) -> bool:
    return bool({"<": key < bound, "<=": key <= bound, ">": key > bound, ">=": key >= bound}[comparator])
