"""New names that look like known ones: typing slips, letters that look alike, separators moved.

The rules, chosen so that ordinary documents raise nothing:

1. Only names that are new (not in the SBOM before, not known) are judged, and only against known names of the same ecosystem:
   those of the SBOM before, of the organisation's list, of policy.
2. A name with letters outside ASCII that read as ASCII, or of mixed scripts, is a look-alike by itself.
3. Alike is: one letter more, less, other or swapped (Damerau-Levenshtein 1) in names of five letters or more; the same after
   doubled letters, separators, word order and look-alike letters (0/o, 1/l, rn/m, vv/w) are taken out.
4. Packages of a distribution (deb, rpm, apk, alpm) are signed by it and full of near names (libssl3, libssh3): only rule 2.
5. What lies in one namespace with its like is its owner's business: `@types/node-fetch` and `@types/node-fetch2`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from suture.sourcing.examination import Concern
from suture.sourcing.sbom.model import Component
from suture.sourcing.sbom.purls import BadPurlError, build
from suture.sourcing.sbom.text import shown

MAX_CONCERNS = 20
SHORTEST = 5  # letters; below that nearly every name has a neighbour
LONGEST = 100
DISTRIBUTIONS = ("deb", "rpm", "apk", "alpm")
# Letters of other scripts that read as ASCII (Unicode TR 39, those of common fonts), and the leet ones.
_LIKE = str.maketrans("аеорсухіјѕһԁԛԝӏոսցαεικνορτυχγℓɡıοⅼⅰ", "aeopcyxijshdqwlnugaeiknoptuxylgioli")
_LEET = str.maketrans("01357|!", "oiest" + "li")
_SEPARATORS = re.compile(r"[-_.\s]+")


@dataclass(frozen=True)
class Likeness:
    """name looks like known, by `how`."""

    name: str
    known: str
    how: str


class KnownNames:
    """Names by ecosystem, indexed so that a candidate is compared with its neighbours only."""

    def __init__(self, names: Iterable[tuple[str, str]], honest: Iterable[tuple[str, str]] = ()) -> None:
        """names: (ecosystem, full name) each; the full name is namespace/name where there is a namespace. honest: such as are
        near to one of them and no imitation; nothing is compared with these."""
        self._honest = set(honest)
        self.names: dict[str, set[str]] = defaultdict(set)
        self._near: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._folded: dict[tuple[str, str], set[str]] = defaultdict(set)
        for kind, name in names:
            if name in self.names[kind] or len(name) > LONGEST:
                continue
            self.names[kind].add(name)
            if kind not in DISTRIBUTIONS:
                for key in _deletions(name):
                    self._near[kind, key].add(name)
                for _how, key in _folds(name):
                    self._folded[kind, key].add(name)

    def likeness(self, kind: str, name: str) -> Likeness | None:
        """None: it is known, or looks like none."""
        if name in self.names.get(kind, ()) or (kind, name) in self._honest or len(name) > LONGEST:
            return None
        if not name.isascii():
            plain = _plain(name)
            if plain in self.names.get(kind, ()):
                return Likeness(name, plain, "letters of another script")
            if plain.isascii():
                return Likeness(name, plain, "letters of another script that read as ASCII")
        if kind in DISTRIBUTIONS:
            return None
        for how, key in _folds(name):
            for known in sorted(self._folded.get((kind, key), ())):
                if not _one_owner(name, known):
                    return Likeness(name, known, how)
        for key in _deletions(name):
            for known in sorted(self._near.get((kind, key), ())):
                if not _one_owner(name, known) and _long_enough(name, known) and within_one(name, known):
                    return Likeness(name, known, "one letter")
        return None


def check(candidates: Iterable[Component], known: KnownNames) -> Iterator[Concern]:
    """A concern for each new name that looks like a known one, MAX_CONCERNS at most and one for the rest."""
    more = 0
    found = 0
    for component in candidates:
        kind, namespace, name = component.identity
        likeness = known.likeness(kind, full_name(namespace, name))
        if likeness is None:
            continue
        found += 1
        if found > MAX_CONCERNS:
            more += 1
            continue
        sentence = f"{shown(component.label)} looks like {shown(likeness.known)}: {likeness.how}."
        details = {"name": likeness.name, "known": likeness.known, "how": likeness.how, "ecosystem": kind}
        yield Concern("lookalike_name", component.label, sentence, details)
    if more:
        yield Concern("lookalike_name", "", f"{more} more names look like known ones.", {"count": more})


def known_names(components: Iterable[Component], policy: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    """(ecosystem, full name) of components and of policy's list."""
    for component in components:
        kind, namespace, name = component.identity
        yield kind, full_name(namespace, name)
    for kind, names in policy.items():
        for name in names:
            yield kind, _as_purl(kind, name)


def _as_purl(kind: str, name: str) -> str:
    """As the ecosystem folds names in purls: policy may write discord.py."""
    namespace, _slash, last = name.rpartition("/")
    try:
        found = build(kind, namespace, last)
    except BadPurlError:
        return name
    return full_name(found.namespace, found.name)


def full_name(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def within_one(one: str, other: str) -> bool:
    """Optimal string alignment distance at most 1: one letter inserted, removed, changed, or two neighbours swapped."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    first, second = one[start:], other[start:]
    return (
        first[1:] == second[1:]
        or first[1:] == second
        or first == second[1:]
        or (len(first) > 1 and first[:2] == second[1::-1] and first[2:] == second[2:])
    )


def _deletions(name: str) -> set[str]:
    """The name, and the name without each of its letters: two names within distance 1 (also swapped) share one of these."""
    return {name} | {name[:place] + name[place + 1 :] for place in range(len(name))}


def _folds(name: str) -> list[tuple[str, str]]:
    """(how, key): names that fold to the same key look alike in that way. Keys carry their way, so that ways do not mix."""
    namespace, _slash, last = name.rpartition("/")
    found = []
    plain = _plain(last)
    letters = _SEPARATORS.sub("", plain)
    if len(letters) >= SHORTEST - 1:
        found.append(("separators", f"s:{namespace}/{letters}"))
        found.append(("doubled letters", f"d:{namespace}/{re.sub(r'(.)' + chr(92) + '1+', chr(92) + '1', letters)}"))
        found.append(("letters that look alike", f"l:{namespace}/{_skeleton(letters)}"))
        words = sorted(part for part in _SEPARATORS.split(plain) if part)
        if len(words) > 1:
            found.append(("order of words", f"w:{namespace}/{'-'.join(words)}"))
    return found


def _skeleton(letters: str) -> str:
    return letters.translate(_LEET).replace("l", "i").replace("rn", "m").replace("vv", "w")


def _plain(name: str) -> str:
    """Compatibility forms and letters of other scripts as the ASCII they read as."""
    return unicodedata.normalize("NFKC", name.lower()).translate(_LIKE)


def _long_enough(name: str, known: str) -> bool:
    """By the part that differs: the namespace where the last parts are the same."""
    parts = [text.rpartition("/") for text in (name, known)]
    return min(len(space if parts[0][2] == parts[1][2] else last) for space, _slash, last in parts) >= SHORTEST


def _one_owner(name: str, known: str) -> bool:
    namespace, other = name.rpartition("/")[0], known.rpartition("/")[0]
    return bool(namespace) and namespace == other
