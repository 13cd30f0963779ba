"""Which ids a copy named, and which records we have already, in a few megabytes for hundreds of thousands."""

from __future__ import annotations

import re
import sys
from array import array
from bisect import bisect_left
from threading import Lock

_PLAIN_ID = re.compile(r"CVE-([0-9]{4})-([0-9]{4,7})")
_MAX_NUMBER = 10_000_000


class SeenIds:
    """A set of CVE ids: a bit for each number of a year; other texts in an ordinary set."""

    def __init__(self) -> None:
        self._years: dict[str, bytearray] = {}
        self._others: set[str] = set()

    def add(self, cve_id: str) -> bool:
        """False when it was there before."""
        plain = _PLAIN_ID.fullmatch(cve_id)
        if plain is None or (plain[2][0] == "0" and len(plain[2]) > 4):
            known = cve_id in self._others
            self._others.add(cve_id)
            return not known
        bits, number = self._years.setdefault(plain[1], bytearray()), int(plain[2])
        place, mask = number >> 3, 1 << (number & 7)
        if place >= len(bits):
            bits.extend(bytes(place + 4096 - len(bits)))
        if bits[place] & mask:
            return False
        bits[place] |= mask
        return True


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
