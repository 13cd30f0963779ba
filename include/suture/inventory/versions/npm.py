"""The order of npm versions: Semantic Versioning 2.0.0 (semver.org, sections 9 to 11).

The rules: major, minor, patch as numbers; a pre-release sorts before its release; its identifiers compare one by one,
numbers as numbers and before words, words in ASCII order, and fewer identifiers before more; build metadata does not
count. A leading `v` or `=` is npm's own habit and is dropped.
"""

from __future__ import annotations

import re
from functools import lru_cache

from suture.inventory.sortable import BadVersionError, number, refuse_unfit

KIND = "a semantic version"
MAX_NPM_LENGTH = 256  # node-semver's MAX_LENGTH
_NUMBER = r"(0|[1-9][0-9]*)"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(
    rf"[v=]?{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def parts(version: str) -> tuple[str, str, str, tuple[str, ...]]:
    """(major, minor, patch, pre-release identifiers), all as text. Raises BadVersionError."""
    refuse_unfit(version, KIND, MAX_NPM_LENGTH)
    found = _VERSION.fullmatch(version)
    if found is None:
        raise BadVersionError(version, "it is not MAJOR.MINOR.PATCH[-PRE][+BUILD]", kind=KIND)
    return found[1], found[2], found[3], tuple(found[4].split(".")) if found[4] else ()


@lru_cache(maxsize=100_000)
def sort_key(version: str) -> bytes:
    """The version as bytes that sort in the order of semantic versions. Raises BadVersionError."""
    major, minor, patch, pre = parts(version)
    identifiers = (
        b"\x02" + number(part) if part.isdigit() else b"\x03" + part.encode("ascii") + b"\x00" for part in pre
    )
    tail = b"".join(identifiers) + b"\x01" if pre else b"\xff"
    return number(major) + number(minor) + number(patch) + tail
