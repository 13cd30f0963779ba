"""Numbers with their nouns, as people read them: "1 finding", "2,000 findings"."""

from __future__ import annotations


def counted(number: int, one: str, many: str | None = None, *, width: int = 0) -> str:
    """The number and the word that fits it. many: None for `one` and an s (hosts), ies for y (advisories); otherwise the whole
    phrase ("finding is", "findings are"). width: of the number, right-aligned."""
    if many is None:
        many = f"{one[:-1]}ies" if one.endswith("y") and one[-2:-1] not in "aeiou" else f"{one}s"
    return f"{number:>{width},} {one if number == 1 else many}"
