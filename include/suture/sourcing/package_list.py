"""The packages of a proven index, or of several: a sequence that is also asked by name.

Who takes in fifty packages of sixty thousand asks for these, and the others are never made (package_table.py).
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import ListedFile

_PROVIDED = re.compile(r"(?:^|[,|])\s*([^\s,|(\[<:]+)")


@dataclass(frozen=True, slots=True)
class BinaryPackage:
    """One stanza. At least one of sha256 and sha512 is there; depends and provides are as written, '' for none.

    phased_percentage: the share of hosts that gets the update so far (Phased-Update-Percentage), None when it is not phased.
    """

    name: str
    version: str
    source: str
    source_version: str
    architecture: str
    filename: str
    size: int
    sha256: str | None
    sha512: str | None
    depends: str
    pre_depends: str
    provides: str
    component: str = ""
    phased_percentage: int | None = None

    def listed(self) -> ListedFile:
        digests = {"SHA256": self.sha256, "SHA512": self.sha512}
        return ListedFile(self.filename, self.size, {name: d for name, d in digests.items() if d})


class PackageList(Sequence[BinaryPackage]):
    """Packages in the order of their indices. Equal to any list, tuple or PackageList of equal packages."""

    @abstractmethod
    def named(self, *names: str) -> list[BinaryPackage]:
        """Those with one of these names, in the list's order."""

    @abstractmethod
    def offering(self, name: str) -> list[BinaryPackage]:
        """Those that have the name or provide it (Provides), in the list's order."""

    @abstractmethod
    def of_source(self, source: str) -> list[BinaryPackage]:
        """Those that are built of a source package, of any of its versions, in the list's order."""

    @property
    @abstractmethod
    def total_bytes(self) -> int:
        """The size of all their files."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (list, tuple, PackageList)):
            return NotImplemented
        return len(self) == len(other) and all(ours == theirs for ours, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} packages>"


class PlainPackageList(PackageList):
    """Packages that are there as objects already."""

    def __init__(self, packages: Iterable[BinaryPackage] = ()) -> None:
        self._packages = tuple(packages)

    def __len__(self) -> int:
        return len(self._packages)

    def __iter__(self) -> Iterator[BinaryPackage]:
        return iter(self._packages)

    @overload
    def __getitem__(self, index: int) -> BinaryPackage: ...
    @overload
    def __getitem__(self, index: slice) -> PlainPackageList: ...
    def __getitem__(self, index: int | slice) -> BinaryPackage | PlainPackageList:
        if isinstance(index, slice):
            return PlainPackageList(self._packages[index])
        return self._packages[index]

    def named(self, *names: str) -> list[BinaryPackage]:
        return self._at(row for name in set(names) for row in self._by_name.get(name, ()))

    def offering(self, name: str) -> list[BinaryPackage]:
        return self._at({*self._by_name.get(name, ()), *self._by_provided.get(name, ())})

    def of_source(self, source: str) -> list[BinaryPackage]:
        return self._at(self._by_source.get(source, ()))

    @property
    def total_bytes(self) -> int:
        return sum(package.size for package in self._packages)

    def _at(self, rows: Iterable[int]) -> list[BinaryPackage]:
        return [self._packages[row] for row in sorted(rows)]

    @cached_property
    def _by_name(self) -> dict[str, list[int]]:
        return self._rows_by(lambda package: (package.name,))

    @cached_property
    def _by_provided(self) -> dict[str, list[int]]:
        return self._rows_by(lambda package: provided_names(package.provides))

    @cached_property
    def _by_source(self) -> dict[str, list[int]]:
        return self._rows_by(lambda package: (package.source,))

    def _rows_by(self, names: Callable[[BinaryPackage], Iterable[str]]) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, package in enumerate(self._packages):
            for name in names(package):
                rows.setdefault(name, []).append(row)
        return rows


def provided_names(provides: str) -> set[str]:
    """The names in a Provides field."""
    return set(_PROVIDED.findall(provides)) if provides else set()


def without_twins(packages: Iterable[BinaryPackage], *, subject: str) -> Iterator[BinaryPackage]:
    """Drop repeats (architecture "all" stands in every index). Raises Refusal for two files of one name and version."""
    known: dict[tuple[str, str, str], BinaryPackage] = {}
    for package in packages:
        first = known.setdefault((package.name, package.version, package.architecture), package)
        if first is package:
            yield package
        elif (first.sha256, first.sha512, first.size) != (package.sha256, package.sha512, package.size):
            raise two_files(package, subject)


def two_files(package: BinaryPackage, subject: str) -> Refusal:
    sentence = f"{subject} lists two different files as {package.name} {package.version} {package.architecture}."
    return Refusal(RefusalReason.MALFORMED, sentence, subject=package.filename)
