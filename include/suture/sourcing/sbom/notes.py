"""What a reader keeps while it walks through a document: flaws with their places, refs, and values of the right type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from suture.sourcing.sbom import purls
from suture.sourcing.sbom.model import Fault, Flaw, Hash, UnreadableSbomError
from suture.sourcing.sbom.text import MAX_TEXT, fit, has_unfit, shown

MAX_COMPONENTS = 100_000
MAX_RELATIONSHIPS = 1_000_000
MAX_FLAWS = 20  # of one kind; the count of the rest is said
# Digits of a hash, by algorithm; of those that are missing here the length is not known.
HEX_DIGITS: Mapping[str, int] = {
    "md2": 32, "md4": 32, "md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128, "sha3_256": 64,
    "sha3_384": 96, "sha3_512": 128, "blake2b": 128, "blake2b_256": 64, "blake2b_384": 96, "blake2b_512": 128, "blake3": 64,
    "streebog_256": 64, "streebog_512": 128,
}  # fmt: skip
_HEX = re.compile(r"[0-9a-f]+")
LINE = "\x00line"  # key under which XML readers keep an element's line in a tree


class Notebook:
    """One document's flaws and refs. name: of the document, for errors."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.refs: dict[str, str] = {}
        self._flaws: dict[str, list[Flaw]] = {}
        self._more: dict[str, int] = {}

    @property
    def flaws(self) -> tuple[Flaw, ...]:
        found = [flaw for flaws in self._flaws.values() for flaw in flaws]
        found += [
            Flaw(kind, "", f"{count} more places like these were found ({kind}).") for kind, count in self._more.items()
        ]
        return tuple(found)

    def flaw(self, kind: str, place: str, sentence: str, subject: str = "") -> None:
        flaws = self._flaws.setdefault(kind, [])
        if len(flaws) < MAX_FLAWS:
            flaws.append(Flaw(kind, place, sentence, subject or place))
        else:
            self._more[kind] = self._more.get(kind, 0) + 1

    def stop(self, why: str, place: str, fault: Fault = Fault.MALFORMED) -> UnreadableSbomError:
        return UnreadableSbomError(self.name, why, place=place, fault=fault)

    def ref(self, ref: str, place: str) -> None:
        """Remember a ref; twice the same is a flaw."""
        if ref in self.refs:
            where = f"{self.refs[ref]} and {place}"
            self.flaw("duplicate_ref", place, f"The ref {shown(ref)!r} is given twice, at {where}.", ref)
        else:
            self.refs[ref] = place

    def text(self, value: Any, place: str) -> str:
        """A text, fit to be kept; '' for None. Numbers are taken as they are written (a version 5). Raises UnreadableSbomError."""
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.stop(f"a text is expected, not {type(value).__name__}", place)
        if len(value) > MAX_TEXT:
            raise self.stop(f"a text has more than {MAX_TEXT} characters", place, Fault.TOO_LARGE)
        if has_unfit(value):
            self.flaw(
                "control_character", place, f"The text at {place} holds control characters: {shown(value, 60)!r}."
            )
        return fit(value)

    def object(self, value: Any, place: str) -> Mapping[str, Any]:
        """An object; an empty one for None. Raises UnreadableSbomError."""
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.stop(f"an object is expected, not {type(value).__name__}", place)
        return value

    def objects(self, value: Any, place: str) -> list[tuple[Mapping[str, Any], str]]:
        """(object, place) of a list of objects; none for None. Raises UnreadableSbomError."""
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.stop(f"a list is expected, not {type(value).__name__}", place)
        if len(value) > MAX_RELATIONSHIPS:
            raise self.stop(f"a list has more than {MAX_RELATIONSHIPS} entries", place, Fault.TOO_LARGE)
        found = []
        for number, item in enumerate(value):
            where = f"{place}[{number}]"
            if isinstance(item, dict) and LINE in item:
                where = f"line {item[LINE]}"
            found.append((self.object(item, where), where))
        return found

    def purl(self, text: str, place: str) -> purls.Purl | None:
        """None for '' and for one that does not parse, which is a flaw."""
        if not text:
            return None
        try:
            return purls.parse(text)
        except purls.BadPurlError as error:
            sentence = f"The package URL {shown(text)!r} at {place} breaks the rules: {error.why}."
            self.flaw("purl_malformed", place, sentence, text)
            return None

    def hash(self, algorithm: str, value: str, place: str) -> Hash | None:
        """None for one that cannot be a hash, which is a flaw."""
        known = re.sub(r"[^a-z0-9]+", "_", algorithm.lower()).strip("_")
        known = re.sub(r"^sha_?(1|224|256|384|512)$", r"sha\1", known)
        known = re.sub(r"^blake2b_512$", "blake2b", known)
        digits = value.strip().lower()
        expected = HEX_DIGITS.get(known)
        if not _HEX.fullmatch(digits) or (expected is not None and len(digits) != expected):
            self.flaw(
                "hash_malformed", place, f"What stands at {place} is no {shown(algorithm, 20)}: {shown(value, 80)!r}."
            )
            return None
        return Hash(known, digits)

    def compare_purl(self, purl: purls.Purl | None, name: str, version: str, place: str) -> None:
        """A purl that names another package than the component it stands in is a flaw: people read the one, tools the other."""
        if purl is None:
            return
        # Names are written in the ways of their worlds (group:artifact, scope/name, distribution names): letters count.
        said, own = _letters(name), _letters(purl.name)
        if own not in said and said not in own:
            sentence = f"At {place} the name is {shown(name)!r}, and the package URL names {purl.without_version}."
            self.flaw("purl_contradicts", place, sentence, name)
        elif purl.version and version and _letters(version) not in (_letters(purl.version), _letters(_epoch(purl))):
            other = f"{shown(purl.version)!r} in its package URL"
            sentence = f"At {place} the version of {shown(name)!r} is {shown(version)!r}, and {other}."
            self.flaw("purl_contradicts", place, sentence, name)


def _epoch(purl: purls.Purl) -> str:
    """rpm keeps the epoch beside the version."""
    return f"{purl.qualifier('epoch')}:{purl.version}"


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower().removeprefix("v")) or text
