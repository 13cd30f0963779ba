"""Which ids a copy named, and which records we have already, in a few megabytes for hundreds of thousands."""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock

# A thousand ids that differ in their last three digits, of a number that is written in one way only.
_PLAIN_PAGE = re.compile(r"CVE-([0-9]{4})-([0-9]|[1-9][0-9]{1,3})")
_PAGE = 125  # bytes: a bit for each
_BITS = {f"{number:03d}": 1 << number for number in range(_PAGE * 8)}


@dataclass(slots=True)
class Ids:
    """Ids that some records named. pages: what thousand of them begin with → a bit for each one's last three digits; others:
    those that end otherwise, and each that comes a second time."""

    pages: dict[str, int] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, ids: Iterable[str]) -> Ids:
        pages: dict[str, int] = {}
        others: list[str] = []
        for cve_id in ids:
            page, bit = cve_id[:-3], _BITS.get(cve_id[-3:], 0)
            mask = pages.get(page, 0)
            if mask & bit or not bit:
                others.append(cve_id)
            else:
                pages[page] = mask | bit
        return cls(pages, others)

    def __iter__(self) -> Iterator[str]:
        for page, mask in self.pages.items():
            yield from _named(page, mask)
        yield from self.others


class SeenIds:
    """A set of CVE ids: a bit for each number of a year; other texts in an ordinary set."""

    def __init__(self) -> None:
        self._years: dict[str, bytearray] = {}
        self._others: set[str] = set()

    def add(self, ids: Ids) -> set[str]:
        """Those of them that were there before."""
        again: set[str] = set()
        for page, mask in ids.pages.items():
            again.update(_named(page, self._add_page(page, mask)))
        for cve_id in ids.others:
            bit = _BITS.get(cve_id[-3:], 0)
            if self._add_page(cve_id[:-3], bit) if bit else self._add_other(cve_id):
                again.add(cve_id)
        return again

    def _add_page(self, page: str, mask: int) -> int:
        """Which of the mask's bits were there before."""
        plain = _PLAIN_PAGE.fullmatch(page)
        if plain is None:
            return sum(_BITS[cve_id[-3:]] for cve_id in _named(page, mask) if self._add_other(cve_id))
        bits, place = self._years.setdefault(plain[1], bytearray()), int(plain[2]) * _PAGE
        if place >= len(bits):
            bits.extend(bytes(place + _PAGE * 32 - len(bits)))
        known = int.from_bytes(bits[place : place + _PAGE], "little")
        bits[place : place + _PAGE] = (known | mask).to_bytes(_PAGE, "little")
        return known & mask

    def _add_other(self, cve_id: str) -> bool:
        known = cve_id in self._others
        self._others.add(cve_id)
        return known


def _named(page: str, mask: int) -> Iterator[str]:
    while mask:
        lowest = mask & -mask
        yield f"{page}{lowest.bit_length() - 1:03d}"
        mask ^= lowest


class KnownDigests:
    """The digests of the records that we have, by their first 16 bytes, and which of them this copy has shown."""

    def __init__(self, digests: bytes | None) -> None:
        """digests: 16 bytes each, in ascending order; None: none."""
        self._digests = digests or b""
        heads = array("Q", self._digests)[::2]
        if sys.byteorder == "little":
            heads.byteswap()
        self._heads = heads
        self._met = bytearray(len(heads))
        self._lock = Lock()  # the reading and the writing thread both meet records

    def __len__(self) -> int:
        return len(self._heads)

    def find(self, digest: bytes) -> int | None:
        """Its place, None when it is not known (b"": no digest). Two that begin alike in 8 bytes: the second is taken for unknown."""
        if not (digest and self._heads):
            return None
        place = bisect_left(self._heads, int.from_bytes(digest[:8], "big"))
        return place if self._digests[place * 16 : place * 16 + 16] == digest[:16] else None

    def meet(self, place: int) -> bool:
        """Note that the copy has this record, or another of its id. False when that was noted before."""
        with self._lock:
            known, self._met[place] = self._met[place], 1
        return not known
