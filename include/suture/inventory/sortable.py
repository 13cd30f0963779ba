"""What all version orders share: the error for a text that is no version, and numbers as bytes that sort as numbers."""

from __future__ import annotations

from suture.errors import BadInputError

MAX_LENGTH = 1024  # far beyond any real version; a bound for hostile input


class BadVersionError(BadInputError):
    """A text that is no version of its ecosystem. `version` is the text."""

    kind = "a version"

    def __init__(self, version: str, why: str, *, kind: str | None = None) -> None:
        super().__init__(f"{version[:200]!r} is not {kind or self.kind}: {why}.")
        self.version = version


def number(digits: str) -> bytes:
    """A run of ASCII digits as bytes in numeric order: its count of digits (one byte; 0xFF and four bytes from 255 on),
    then the digits. Leading zeros do not count; an empty run is 0."""
    significant = digits.lstrip("0").encode("ascii")
    count = len(significant)
    return (bytes([count]) if count < 255 else b"\xff" + count.to_bytes(4, "big")) + significant


def refuse_unfit(version: str, kind: str, longest: int = MAX_LENGTH) -> None:
    """Raise BadVersionError for what is no version in any ecosystem: empty, too long, not printable ASCII, blanks."""
    if not version:
        raise BadVersionError(version, "it is empty", kind=kind)
    if len(version) > longest:
        raise BadVersionError(version, f"it has more than {longest} characters", kind=kind)
    for character in version:
        if not "!" <= character <= "~":
            raise BadVersionError(version, f"the character {character!r} may not stand there", kind=kind)
