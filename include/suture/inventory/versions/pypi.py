"""The order of Python versions (PEP 440; read by `packaging`, its own key made into bytes).

The rules: epoch; release without trailing zeros; a development release before its pre-releases; pre-releases (a, b, rc)
before the release; post-releases after it; a local version after the same without one, its parts compared as numbers
where they are numbers, numbers after words.
"""

from __future__ import annotations

from functools import lru_cache

from packaging.version import InvalidVersion, Version

from suture.inventory.sortable import BadVersionError, number, refuse_unfit

KIND = "a Python version (PEP 440)"
_LOWEST, _HIGHEST = b"\x00", b"\xff"


def parsed(version: str) -> Version:
    """Raises BadVersionError."""
    refuse_unfit(version, KIND, 512)
    try:
        return Version(version)
    except (InvalidVersion, ValueError) as error:
        raise BadVersionError(version, "it does not follow PEP 440", kind=KIND) from error


@lru_cache(maxsize=100_000)
def sort_key(version: str) -> bytes:
    """The version as bytes that sort in PEP 440 order. Raises BadVersionError."""
    found = parsed(version)
    return b"".join((_int(found.epoch), _release(found), _pre(found), _post(found), _dev(found), _local(found)))


def _int(value: int) -> bytes:
    return number(str(value))


def _release(found: Version) -> bytes:
    release = list(found.release)
    while release and release[-1] == 0:
        release.pop()
    return b"".join(b"\x02" + _int(part) for part in release) + b"\x01"


def _pre(found: Version) -> bytes:
    if found.pre is not None:
        letter, value = found.pre
        return letter[:1].encode("ascii") + _int(value)
    return _LOWEST if found.post is None and found.dev is not None else _HIGHEST


def _post(found: Version) -> bytes:
    return _LOWEST if found.post is None else b"\x01" + _int(found.post)


def _dev(found: Version) -> bytes:
    return _HIGHEST if found.dev is None else b"\x01" + _int(found.dev)


def _local(found: Version) -> bytes:
    if found.local is None:
        return _LOWEST
    parts = (
        b"\x03" + number(part) if part.isdigit() else b"\x02" + part.encode("ascii") + b"\x00"
        for part in found.local.split(".")
    )
    return b"\x01" + b"".join(parts) + b"\x01"
