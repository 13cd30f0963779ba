"""Texts of one field, package by package, in one block of memory.

A Python string takes 49 bytes more than it says, and its time to make and drop; an index has up to twelve for each package, and an
intake asks for those of some fifty packages. So the texts stay bytes until somebody asks (docs/benchmarks/repository_proof.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_WORD = 8
# What stays of a text's last word, by the number of its bytes in it: the words are little-endian, the rest is NUL.
_LAST = np.array([(1 << 8 * count) - 1 for count in range(_WORD)], dtype=np.uint64)
_ODD = np.array([0x9E3779B97F4A7C16, 0xC2B2AE3D27D4EB4F], dtype=np.uint64)  # factors without a pattern; the sum is odd


class TextColumn:
    """A sequence of texts without NUL. Each is UTF-8 and fills whole 64-bit words, with one to eight NUL at its end; '' fills none.

    Words, because numpy gathers eight bytes in the time of one. words: uint64; offsets: where each text's words begin, and where
    the last one's end (uint32, one more than there are texts).
    """

    __slots__ = ("offsets", "words")

    def __init__(self, words: NDArray[np.uint64], offsets: NDArray[np.uint32]) -> None:
        self.words = words
        self.offsets = offsets

    @classmethod
    def of(cls, texts: Iterable[str]) -> TextColumn:
        encoded = [text.encode() for text in texts]
        counts = np.array([len(text) // _WORD + 1 if text else 0 for text in encoded], dtype=np.uint32)
        padded = b"".join(text.ljust(count * _WORD, b"\0") for text, count in zip(encoded, counts.tolist(), strict=True))
        return cls(np.frombuffer(padded, dtype="<u8"), _offsets(counts))

    @classmethod
    def repeated(cls, text: str, count: int) -> TextColumn:
        """The same text `count` times."""
        one = cls.of([text])
        return cls(np.tile(one.words, count), _offsets(np.full(count, len(one.words), dtype=np.uint32)))

    @classmethod
    def spread(
        cls, words: NDArray[np.uint64], begin: int, needed: NDArray[np.int64], rows: NDArray[np.int64], count: int
    ) -> TextColumn:
        """The texts that `gather` put at words[begin:], `needed` words each, in these rows of `count`; the others are ''."""
        if len(rows) < count:
            spread = np.zeros(count, dtype=np.int64)
            spread[rows] = needed
            needed = spread
        offsets = _offsets(needed)
        # Its own copy: so a column that is done with can go before the others of its portion.
        return cls(words[begin : begin + int(offsets[-1])].copy(), offsets)

    @classmethod
    def joined(cls, columns: Sequence[TextColumn]) -> TextColumn:
        """All texts of these columns, one column behind the other."""
        if len(columns) == 1:
            return columns[0]
        counts = np.concatenate([np.diff(column.offsets) for column in columns])
        return cls(np.concatenate([column.words for column in columns]), _offsets(counts))

    def at(self, rows: NDArray[np.int64]) -> TextColumn:
        """The texts of these rows, in the order given."""
        begins, counts = self.offsets[rows].astype(np.int64), np.diff(self.offsets)[rows]
        offsets = _offsets(counts)
        places = np.repeat(begins - offsets[:-1], counts) + np.arange(offsets[-1])
        return TextColumn(self.words[places], offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def raw(self) -> bytes:
        """All texts in one, each with its NULs behind it."""
        return self.words.tobytes()

    def hashes(self) -> NDArray[np.uint64]:
        """A number for each text: the same for the same text, and seldom the same for two. Who wants to be sure compares them."""
        place = np.arange(len(self.words), dtype=np.uint64) - np.repeat(self.offsets[:-1], np.diff(self.offsets))
        mixed = (self.words ^ self.words >> np.uint64(29)) * (place * _ODD[0] + _ODD[1])
        before = np.zeros(len(mixed) + 1, dtype=np.uint64)
        np.cumsum(mixed ^ mixed >> np.uint64(32), out=before[1:])
        return before[self.offsets[1:]] - before[self.offsets[:-1]]

    def texts(self, start: int, stop: int) -> list[str]:
        """Those of the rows from `start` to before `stop`."""
        offsets = self.offsets[start : stop + 1]
        if offsets[0] == offsets[-1]:
            return [""] * (stop - start)
        found = filter(None, self.words[offsets[0] : offsets[-1]].tobytes().decode().split("\0"))
        empty = offsets[1:] == offsets[:-1]
        if not empty.any():
            return list(found)
        texts = [""] * (stop - start)
        for row, text in zip(np.flatnonzero(~empty).tolist(), found, strict=True):
            texts[row] = text
        return texts


def gather(
    words: NDArray[np.uint64], begins: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """(the texts that lie at `begins`, `lengths` bytes each, in a TextColumn's form; how many words each has).

    words: the eight bytes from each byte of an index on.
    """
    needed = lengths // _WORD + 1
    needed[lengths == 0] = 0
    after = np.cumsum(needed)
    total = int(after[-1]) if len(after) else 0
    places = np.repeat((begins - _WORD * (after - needed)).astype(np.int32), needed)
    places += np.arange(0, _WORD * total, _WORD, dtype=np.int32)
    found = words[places]
    some = needed > 0
    found[after[some] - 1] &= _LAST[lengths[some] % _WORD]
    return found, needed


def _offsets(counts: NDArray[np.uint32] | NDArray[np.int64]) -> NDArray[np.uint32]:
    offsets = np.zeros(len(counts) + 1, dtype=np.uint32)
    np.cumsum(counts, out=offsets[1:])
    return offsets
