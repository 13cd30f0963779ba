"""OSV's events as spans of versions (OSV schema, "affected[].ranges[].events").

The rules:

1. Events are sorted by version where the ecosystem's order can say so; two that stand at the same version: introduced
   after fixed, so that a span may begin where another ends.
2. introduced opens a span, fixed and last_affected close it. A close without an open one closes nothing. An open span at
   the end has no fix. `0` is before every version.
3. limit bounds what the range speaks of: beyond the greatest limit it says nothing.
4. An event holds exactly one of the four words. A range without introduced says nothing and is an error.
5. The list of versions is a row of its own: each of them is affected whatever the ranges say.
"""

from __future__ import annotations

from functools import cmp_to_key

from suture.feeds.package_names import checked_version
from suture.feeds.sources.osv.records import Affected, Range
from suture.feeds.vendor_rows import Span
from suture.inventory.versions import BadVersionError, order_of

MAX_EVENTS, MAX_VERSIONS = 2000, 20_000
_WORDS = ("introduced", "fixed", "last_affected", "limit")


def affected_spans(affected: Affected, ecosystem: str) -> list[Span]:
    """The spans that one affected package lists; [] when it names commits only. Raises ValueError naming the field."""
    spans: list[Span] = []
    for number, found in enumerate(affected.ranges):
        if found.type == "GIT":
            continue
        if found.type not in ("ECOSYSTEM", "SEMVER"):
            raise ValueError(f"ranges[{number}].type: {found.type[:40]!r} is not known")
        try:
            spans += _spans(found, ecosystem)
        except ValueError as error:
            raise ValueError(f"ranges[{number}].{error}") from error
    if len(affected.versions) > MAX_VERSIONS:
        raise ValueError(f"versions: more than {MAX_VERSIONS}")
    if affected.versions:
        listed = dict.fromkeys(checked_version(ecosystem, version) for version in affected.versions)
        spans.append(Span(versions=tuple(listed)))
    return list(dict.fromkeys(spans))


def _spans(found: Range, ecosystem: str) -> list[Span]:
    if len(found.events) > MAX_EVENTS:
        raise ValueError(f"events: more than {MAX_EVENTS}")
    events = [_event(event, number, ecosystem) for number, event in enumerate(found.events)]
    if not any(word == "introduced" for word, _version in events):
        raise ValueError("events: none says introduced")
    limits = [version for word, version in events if word == "limit" and version != "*"]
    limit = _sorted([("limit", version) for version in limits], ecosystem)[-1][1] if limits else None
    spans: list[Span] = []
    opened: str | None = None
    for word, version in _sorted([event for event in events if event[0] != "limit"], ecosystem):
        if word == "introduced":
            opened = version if opened is None else opened
        elif opened is not None:
            spans.append(_span(opened, limit, **{word: version}))
            opened = None
    if opened is not None:
        spans.append(_span(opened, limit))
    return spans


def _span(opened: str, limit: str | None, **closed: str) -> Span:
    return Span(
        introduced=None if opened == "0" else opened,
        fixed=closed.get("fixed"),
        last_affected=closed.get("last_affected"),
        limit_before=limit,
    )


def _event(event: dict[str, str], number: int, ecosystem: str) -> tuple[str, str]:
    known = [word for word in _WORDS if word in event]
    if len(known) != 1 or len(event) != 1:
        raise ValueError(f"events[{number}]: it must hold exactly one of {', '.join(_WORDS)}")
    word = known[0]
    if event[word] in ("0", "*"):
        return word, event[word]
    try:
        return word, checked_version(ecosystem, event[word])
    except ValueError as error:
        raise ValueError(f"events[{number}].{word}: {error}") from error


def _sorted(events: list[tuple[str, str]], ecosystem: str) -> list[tuple[str, str]]:
    """In version order; at one version closes stand before opens. In the record's order where versions cannot be read."""
    order = order_of(ecosystem).compare

    def compared(first: tuple[str, str], second: tuple[str, str]) -> int:
        if first[1] == second[1]:
            return (first[0] == "introduced") - (second[0] == "introduced")
        if "0" in (first[1], second[1]):
            return -1 if first[1] == "0" else 1
        return order(first[1], second[1])

    try:
        return sorted(events, key=cmp_to_key(compared))
    except (ValueError, TypeError, BadVersionError) as error:
        if _alternates(events):
            return events
        raise ValueError(f"events: their versions have no order: {str(error)[:100]}") from error


def _alternates(events: list[tuple[str, str]]) -> bool:
    return all((word == "introduced") == (number % 2 == 0) for number, (word, _version) in enumerate(events))
