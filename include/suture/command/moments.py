"""Moments and spans as people type them on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from suture.errors import BadInputError

_EARLIEST, _LATEST = 1970, 9000
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def parse_moment(text: str) -> datetime:
    """An ISO 8601 moment with a time zone. Raises BadInputError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInputError(f"{text!r} is not a moment such as 2026-11-23T22:00Z: {error}.") from error
    if moment.tzinfo is None:
        full = text if len(text) > len("2026-11-23") else f"{text}T00:00"
        raise BadInputError(f"{text!r} has no time zone: write {full}Z for UTC, or {full}+01:00.")
    if not _EARLIEST <= moment.year <= _LATEST:  # a calendar looks years ahead and back, and datetime ends with 9999
        raise BadInputError(f"{text!r} lies outside of the years {_EARLIEST} to {_LATEST}.")
    return moment.astimezone(UTC)


def parse_span(text: str) -> timedelta:
    """'20m', '1h30m', '90s', '2d'. Raises BadInputError."""
    pieces = re.findall(r"(\d+)(min|[smhd])", text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        raise BadInputError(f"{text!r} is not a span such as 20m, 1h30m or 90s.")
    try:
        span = timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in pieces))
    except (OverflowError, ValueError) as error:
        raise BadInputError(f"{text[:40]!r} is longer than any span.") from error
    if not span:
        raise BadInputError("A span must be more than nothing.")
    return span
