"""The order of Debian versions, exactly as dpkg has it (deb-version(7)).

The rules:

1. A version is [epoch:]upstream[-revision]; no epoch is epoch 0, no revision is equal to revision 0.
2. Epochs compare as numbers; then upstream, then revision, both by the same rule.
3. That rule takes turns: a run of non-digits, then a run of digits, until both strings end. Digits compare as numbers
   (leading zeros do not count; an empty run is 0). Among non-digits `~` sorts before everything, even before the end;
   then the end of the run; then letters; then all else, each by its ASCII code.

Instead of comparing pair by pair, `sort_key` writes a version as bytes whose plain byte order is that order, and
which are equal exactly when dpkg calls the versions equal. Made once per distinct version, it compares in SQL (bytea)
at the speed of any other column. A binNMU (`+b1`), `+really`, `~deb12u1` need no rule of their own: they are text.

In the key: 0x01 is `~`, 0x02 the end of a run of non-digits, letters are themselves, other characters their code
+ 128; a number is its count of digits (one byte; 0xFF and four bytes from 255 on) and the digits.
"""

from __future__ import annotations

import re
from functools import lru_cache

from suture.inventory.sortable import MAX_LENGTH, number
from suture.inventory.sortable import BadVersionError as AnyBadVersionError

MAX_EPOCH = 2**31 - 1  # dpkg keeps it in an int
_END = b"\x02"
_UPSTREAM = re.compile(r"[A-Za-z0-9.+~:-]+", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9.+~]+", re.ASCII)
_EPOCH = re.compile(r"[0-9]+", re.ASCII)
_RUNS = re.compile(r"([^0-9]*)([0-9]*)", re.ASCII)
_ORDER = bytes(
    0x01 if code == ord("~") else code if chr(code).isalpha() else (code + 128) % 256 for code in range(128)
) + bytes(128)


class BadVersionError(AnyBadVersionError):
    """A text that is no Debian version. `version` is the text."""

    kind = "a Debian version"


@lru_cache(maxsize=200_000)
def sort_key(version: str) -> bytes:
    """The version as bytes that sort in Debian order. Raises BadVersionError."""
    epoch, upstream, revision = parts(version)
    return number(str(epoch)) + _string_key(upstream) + _string_key(revision)


def compare(one: str, other: str) -> int:
    """-1, 0 or 1: `one` is older than, equal to, newer than `other`. Raises BadVersionError."""
    key, other_key = sort_key(one), sort_key(other)
    return (key > other_key) - (key < other_key)


def relation(one: str, other: str) -> str:
    """`<`, `=` or `>`. Raises BadVersionError."""
    return "=><"[compare(one, other)]


def parts(version: str) -> tuple[int, str, str]:
    """(epoch, upstream, revision) of a version; revision "" when it has none. Raises BadVersionError."""
    if not version:
        raise BadVersionError(version, "it is empty")
    if len(version) > MAX_LENGTH:
        raise BadVersionError(version, f"it has more than {MAX_LENGTH} characters")
    epoch_text, colon, rest = version.partition(":")
    if not colon:
        epoch_text, rest = "0", version
    elif not _EPOCH.fullmatch(epoch_text) or int(epoch_text) > MAX_EPOCH:
        raise BadVersionError(version, f"the epoch {epoch_text[:20]!r} is no number from 0 to {MAX_EPOCH}")
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, ""
    elif not revision:
        raise BadVersionError(version, "nothing follows its last hyphen")
    if not upstream:
        raise BadVersionError(version, "it has no upstream part")
    for text, allowed in ((upstream, _UPSTREAM), (revision or "0", _REVISION)):
        if not allowed.fullmatch(text):
            bad = next(character for character in text if not allowed.fullmatch(character))
            raise BadVersionError(version, f"the character {bad!r} may not stand there")
    return int(epoch_text), upstream, revision


def _string_key(text: str) -> bytes:
    # An empty text gives one empty pair of runs, so that no revision and revision 0 have the same key.
    key = bytearray()
    position = 0
    while True:
        match = _RUNS.match(text, position)
        assert match is not None
        key += match[1].encode("ascii").translate(_ORDER) + _END + number(match[2])
        position = match.end()
        if position >= len(text):
            return bytes(key + _END)
