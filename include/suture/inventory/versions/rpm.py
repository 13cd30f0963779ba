"""The order of RPM versions, [epoch:]version[-release], as rpm has it (rpm-version(7); rpmver.c, rpmvercmp).

The rules:

1. Epochs compare as numbers (none is 0), then versions, then releases. No release sorts before any release.
2. A version is its runs of letters and its runs of digits; what stands between them only separates.
3. Run by run: `~` sorts before everything, even before the end; then the end; then `^`; then letters, in ASCII order;
   then digits, as numbers. The first difference decides.

The key is bytes: 0x01 `~`, 0x02 the end, 0x03 `^`, 0x04 letters and 0x00, 0x05 a number. Character set: rpm's own for
version and release (letters, digits, `._+~^`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from suture.inventory.sortable import BadVersionError, number, refuse_unfit

KIND = "an RPM version"
_RUN = re.compile(r"~|\^|[A-Za-z]+|[0-9]+")
_ALLOWED = re.compile(r"[A-Za-z0-9._+~^]+")


def parts(version: str) -> tuple[str, str, str | None]:
    """(epoch, version, release) of [epoch:]version[-release]; release None when there is none. Raises BadVersionError."""
    refuse_unfit(version, KIND)
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    elif not epoch.isdigit() or len(epoch) > 10:
        raise BadVersionError(version, f"the epoch {epoch[:20]!r} is no number of at most 10 digits", kind=KIND)
    number_part, hyphen, release = rest.rpartition("-")
    if not hyphen:
        number_part = rest
    for text in (number_part, release) if hyphen else (number_part,):
        if not _ALLOWED.fullmatch(text):
            why = "a part of it is empty" if not text else f"{text[:40]!r} holds a character that may not stand there"
            raise BadVersionError(version, why, kind=KIND)
    return epoch, number_part, release if hyphen else None


@lru_cache(maxsize=100_000)
def sort_key(version: str) -> bytes:
    """The version as bytes that sort in rpm's order. Raises BadVersionError."""
    epoch, number_part, release = parts(version)
    key = number(epoch) + label_key(number_part)
    return key + (b"\x00" if release is None else b"\x01" + label_key(release))


def label_key(text: str) -> bytes:
    """One label (a version or a release by itself) as bytes in the order of rpmvercmp."""
    key = bytearray()
    for run in _RUN.findall(text):
        if run == "~":
            key += b"\x01"
        elif run == "^":
            key += b"\x03"
        elif run.isdigit():
            key += b"\x05" + number(run)
        else:
            key += b"\x04" + run.encode("ascii") + b"\x00"
    return bytes(key + b"\x02")
