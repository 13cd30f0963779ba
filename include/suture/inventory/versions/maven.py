"""The order of Maven versions, as Maven's ComparableVersion has it (maven.apache.org, POM reference, "Version order
specification"; Maven 4, whose comparison is mended against cycles).

The rules:

1. Letter case does not count. `.` separates items of one list; `-`, and each change between digits and letters, opens a
   list inside the list. A word and a number that touch, or that a hyphen joins (`rc-1`), are one item: word and number.
2. Items without meaning (0, nothing) at the end of a list go, and so do those before a word.
3. Words: alpha (a before a number), beta (b), milestone (m), rc (cr), snapshot, the release itself ("", ga, final,
   release), sp, then any other word in the order of its letters.
4. At the same place: words before words-with-number of the same word, then lists, then numbers. Where one list has
   ended, the other's item is compared with nothing: a 0 and the release are nothing, a word before the release is less,
   all else is more.

Maven's order has no key of bytes: what is "nothing" depends on what it meets. sort_key gives an object that compares.
Only printable ASCII is taken, and 256 characters at most (Maven's own bound).
"""

from __future__ import annotations

from functools import lru_cache, total_ordering
from typing import Any

from suture.inventory.sortable import refuse_unfit

KIND = "a Maven version"
MAX_MAVEN_LENGTH = 256
_WORDS = {"alpha": 0, "beta": 1, "milestone": 2, "rc": 3, "snapshot": 4, "": 5, "ga": 5, "final": 5, "release": 5, "sp": 6}
_RELEASE = (5, "")
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}

# An item is a number (int), a word (str), a word with its number (tuple), or a list of items.
Item = Any


def items(version: str) -> list[Item]:
    """The version as nested lists of items. Raises BadVersionError."""
    refuse_unfit(version, KIND, MAX_MAVEN_LENGTH)
    return _Reader(version.lower()).read()


@total_ordering
class MavenKey:
    """A version that compares. Equal in order is equal: 1 and 1.0 and 1-ga."""

    __slots__ = ("items",)

    def __init__(self, found: list[Item]) -> None:
        self.items = found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MavenKey) and _compare(self.items, other.items) == 0

    def __lt__(self, other: MavenKey) -> bool:
        return _compare(self.items, other.items) < 0

    __hash__ = None  # type: ignore[assignment]  # equal in order, not in parts


@lru_cache(maxsize=50_000)
def sort_key(version: str) -> MavenKey:
    """Raises BadVersionError."""
    return MavenKey(items(version))


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.list: list[Item] = []
        self.stack = [self.list]
        self.start = 0
        self.in_digits = False
        self.joined = False  # the piece since `start` is a word with a number

    def read(self) -> list[Item]:
        for place, character in enumerate(self.text):
            if character == ".":
                self._end_piece(place)
                self.joined, self.start = False, place + 1
            elif character == "-":
                self._hyphen(place)
            elif character.isdigit():
                if not self.in_digits and place > self.start:
                    self.joined = True
                    self._open_if_filled()
                self.in_digits = True
            else:
                if self.in_digits and place > self.start:
                    self.list.append(self._item(place, digits=True))
                    self.start, self.joined = place, False
                    self._open()
                self.in_digits = False
        if len(self.text) > self.start:
            if not self.in_digits:
                self._open_if_filled()
            self.list.append(self._item(len(self.text), digits=self.in_digits))
        for found in reversed(self.stack):
            _normalize(found)
        return self.stack[0]

    def _hyphen(self, place: int) -> None:
        if place > self.start and not self.in_digits and self.text[place + 1 : place + 2].isdigit():
            self.joined = True  # rc-1 is rc1
            return
        self._end_piece(place)
        self.start = place + 1
        self._open_if_filled()
        self.joined = False

    def _end_piece(self, place: int) -> None:
        self.list.append(0 if place == self.start else self._item(place, digits=self.in_digits))

    def _item(self, end: int, *, digits: bool) -> Item:
        piece = self.text[self.start : end]
        if self.joined:
            piece = piece.replace("-", "")
            first = next((n for n, character in enumerate(piece) if character.isdigit()), 0)
            word = piece[:first]
            return _word(_SHORT.get(word, word)), int(piece[first:])
        return int(piece) if digits else _word(piece)

    def _open(self) -> None:
        inner: list[Item] = []
        self.list.append(inner)
        self.stack.append(inner)
        self.list = inner

    def _open_if_filled(self) -> None:
        if self.list:
            self._open()


def _word(text: str) -> str:
    return "rc" if text == "cr" else text


def _normalize(found: list[Item]) -> None:
    for place in range(len(found) - 1, -1, -1):
        if found[place] not in (0, "", []):
            continue
        after = found[place + 1] if place + 1 < len(found) else None
        before_word = isinstance(after, str) or (isinstance(after, list) and isinstance(after[0], str | tuple))
        if place == len(found) - 1 or before_word:
            del found[place]
    if len(found) == 1 and isinstance(found[0], list):
        found[:] = found[0]


def _rank(word: str) -> tuple[int, str]:
    known = _WORDS.get(word)
    return (7, word) if known is None else (known, "")


def _sign(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _compare(one: Item, other: Item) -> int:
    """Both are items, neither is nothing."""
    if isinstance(one, int):
        return _sign(one, other) if isinstance(other, int) else 1
    if isinstance(other, int):
        return -1
    if isinstance(one, list):
        return _compare_lists(one, other) if isinstance(other, list) else _list_with_word(one, other)
    if isinstance(other, list):
        return -_list_with_word(other, one)
    return _compare_words(one, other)


def _compare_words(one: str | tuple[str, int], other: str | tuple[str, int]) -> int:
    word, digits = one if isinstance(one, tuple) else (one, None)
    other_word, other_digits = other if isinstance(other, tuple) else (other, None)
    by_word = _sign(_rank(word), _rank(other_word))
    if by_word or digits is other_digits:
        return by_word
    if digits is not None and other_digits is not None:
        return _sign(digits, other_digits)
    if _rank(word) == _RELEASE:  # ga1 against ga: the number against nothing
        return int(bool(digits)) - int(bool(other_digits))
    return 1 if digits is not None else -1


def _list_with_word(one: list[Item], other: str | tuple[str, int]) -> int:
    found = _compare(one[0], other) if one else -_with_nothing(other)
    rest = iter(one[1:])
    while found == 0 and (item := next(rest, None)) is not None:
        found = _with_nothing(item)
    return found


def _compare_lists(one: list[Item], other: list[Item]) -> int:
    for place in range(max(len(one), len(other))):
        if place >= len(one):
            found = -_with_nothing(other[place])
        elif place >= len(other):
            found = _with_nothing(one[place])
        else:
            found = _compare(one[place], other[place])
        if found:
            return found
    return 0


def _with_nothing(item: Item) -> int:
    if isinstance(item, int):
        return int(item != 0)
    if isinstance(item, str):
        return _sign(_rank(item), _RELEASE)
    if isinstance(item, tuple):
        return _sign(_rank(item[0]), _RELEASE) or int(item[1] != 0)
    return next((found for found in map(_with_nothing, item) if found), 0)
