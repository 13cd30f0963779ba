"""Packages of large indices as columns of texts: an object is made of a row when somebody asks for it.

What is asked by name is looked up by hashes of the names (twelve bytes a package, made when first asked), and compared in full then.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from suture import collector
from suture.sourcing.package_list import BinaryPackage, PackageList, provided_names, two_files
from suture.sourcing.text_column import TextColumn

T = TypeVar("T")
COMPONENT = "Component"  # no field of the index: where it stands
_BLOCK_ROWS = 4096
_ODD = np.uint64(0xD6E8FEB86659FD93)
_KEY = ("Package", "Version", "Architecture")
_CONTENT = ("SHA256", "SHA512", "Size")
# Field → its text, of a package that was read one by one. Source in full, so that it is read back as it was.
_TEXTS: dict[str, Callable[[BinaryPackage], str]] = {
    "Package": lambda package: package.name,
    "Version": lambda package: package.version,
    "Architecture": lambda package: package.architecture,
    "Filename": lambda package: package.filename,
    "Size": lambda package: str(package.size),
    "SHA256": lambda package: package.sha256 or "",
    "SHA512": lambda package: package.sha512 or "",
    "Source": lambda package: f"{package.source} ({package.source_version})",
    "Depends": lambda package: package.depends,
    "Pre-Depends": lambda package: package.pre_depends,
    "Provides": lambda package: package.provides,
    "Phased-Update-Percentage": lambda package: _text_of(package.phased_percentage),
    COMPONENT: lambda package: package.component,
}


class PackageTable(PackageList):
    """columns: field → one text a package, all fields of _TEXTS, judged by whoever read them."""

    def __init__(self, columns: Mapping[str, TextColumn]) -> None:
        self._columns = columns

    @classmethod
    def of(cls, packages: Sequence[BinaryPackage]) -> PackageTable:
        return cls({name: TextColumn.of(map(text, packages)) for name, text in _TEXTS.items()})

    @classmethod
    def joined(cls, tables: Sequence[PackageTable]) -> PackageTable:
        """All packages, one table behind the other. The tables are of no use afterwards: each column leaves them as it is copied."""
        taken = [dict(table._columns) for table in tables]
        for table in tables:
            table._columns = {}
        return cls({name: TextColumn.joined([columns.pop(name) for columns in taken]) for name in _TEXTS})

    def __len__(self) -> int:
        return len(self._columns["Package"])

    def __iter__(self) -> Iterator[BinaryPackage]:
        for start in range(0, len(self), _BLOCK_ROWS):
            yield from self._packages(start, min(start + _BLOCK_ROWS, len(self)))

    @overload
    def __getitem__(self, index: int) -> BinaryPackage: ...
    @overload
    def __getitem__(self, index: slice) -> PackageTable: ...
    def __getitem__(self, index: int | slice) -> BinaryPackage | PackageTable:
        if isinstance(index, slice):
            return self._at(np.arange(len(self))[index])
        row = range(len(self))[index]
        return self._packages(row, row + 1)[0]

    def named(self, *names: str) -> list[BinaryPackage]:
        wanted = set(names)
        return [package for package in self._found(self._by_name.rows(wanted)) if package.name in wanted]

    def offering(self, name: str) -> list[BinaryPackage]:
        rows = {*self._by_name.rows({name}), *self._by_provided.rows({name})}
        return [
            package for package in self._found(rows) if package.name == name or name in provided_names(package.provides)
        ]

    def of_source(self, source: str) -> list[BinaryPackage]:
        return [package for package in self._found(self._by_source.rows({source})) if package.source == source]

    @property
    def total_bytes(self) -> int:
        return sum(map(int, self._texts("Size")))

    def without_twins(self, *, subject: str) -> PackageTable:
        """As package_list.without_twins, without making the packages."""
        hashes = np.zeros(len(self), dtype=np.uint64)
        for name in _KEY:
            hashes = hashes * _ODD + self._columns[name].hashes()
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
        if not len(again):
            return self
        rows = np.unique(np.concatenate((order[again], order[again + 1])))
        looked_at = self._at(rows)
        known: dict[tuple[str, ...], tuple[str | int, ...]] = {}
        kept = np.ones(len(self), dtype=np.bool_)
        keys = zip(*map(looked_at._texts, _KEY), strict=True)
        contents = zip(*map(looked_at._texts, _CONTENT), strict=True)
        for row, key, (sha256, sha512, size) in zip(rows.tolist(), keys, contents, strict=True):
            content = (sha256, sha512, int(size))
            first = known.setdefault(key, content)
            if first is content:
                continue
            if first != content:
                raise two_files(self[row], subject)
            kept[row] = False
        return self._at(np.flatnonzero(kept))

    def _found(self, rows: Iterable[int]) -> Iterator[BinaryPackage]:
        return (self[row] for row in sorted(rows))

    def _at(self, rows: NDArray[np.int64]) -> PackageTable:
        """The rows in the order given."""
        return PackageTable({name: column.at(rows) for name, column in self._columns.items()})

    @cached_property
    def _by_name(self) -> _Lookup:
        return _Lookup(self._texts("Package"))

    @cached_property
    def _by_source(self) -> _Lookup:
        named = zip(self._texts("Source"), self._texts("Package"), strict=True)
        return _Lookup(_source_of(source, name) for source, name in named)

    @cached_property
    def _by_provided(self) -> _Lookup:
        found = [(name, row) for row, text in enumerate(self._texts("Provides")) for name in provided_names(text)]
        return _Lookup((name for name, _row in found), [row for _name, row in found])

    def _texts(self, name: str) -> Iterator[str]:
        """One column, block by block: no more strings at a time than needed."""
        column = self._columns[name]
        for start in range(0, len(column), _BLOCK_ROWS):
            yield from column.texts(start, min(start + _BLOCK_ROWS, len(column)))

    def _packages(self, start: int, stop: int) -> list[BinaryPackage]:
        """The packages of the rows from `start` to before `stop`."""
        columns = {name: column.texts(start, stop) for name, column in self._columns.items()}
        names, versions, sources = columns["Package"], columns["Version"], columns["Source"]
        ready: dict[str, Iterable[Any]] = {
            "name": names,
            "version": versions,
            "source": map(_source_of, sources, names),
            "source_version": map(_source_version_of, sources, versions),
            "architecture": map(sys.intern, columns["Architecture"]),
            "filename": columns["Filename"],
            "size": map(int, columns["Size"]),
            "sha256": [text or None for text in columns["SHA256"]],
            "sha512": [text or None for text in columns["SHA512"]],
            "depends": columns["Depends"],
            "pre_depends": columns["Pre-Depends"],
            "provides": columns["Provides"],
            "component": map(sys.intern, columns[COMPONENT]),
            "phased_percentage": [int(text) if text else None for text in columns["Phased-Update-Percentage"]],
        }
        with collector.paused():
            return _filled(BinaryPackage, ready, stop - start)


class _Lookup:
    """Text → the rows that may have it: those whose text has the same hash."""

    def __init__(self, texts: Iterable[str], rows: Sequence[int] | None = None) -> None:
        """rows: of each text; None: 0, 1, 2, …"""
        hashes = _hashes(texts)
        order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[order]
        self._rows = (order if rows is None else np.array(rows, dtype=np.int64)[order]).astype(np.uint32)

    def rows(self, texts: set[str]) -> set[int]:
        wanted = _hashes(texts)
        begins = np.searchsorted(self._hashes, wanted, "left").tolist()
        ends = np.searchsorted(self._hashes, wanted, "right").tolist()
        return {row for begin, end in zip(begins, ends, strict=True) for row in self._rows[begin:end].tolist()}


def _hashes(values: Iterable[Any]) -> NDArray[np.int64]:
    return np.fromiter(map(hash, values), dtype=np.int64)


def _source_of(source: str, name: str) -> str:
    """Of a Source field that was judged: "name", "name (version)", or '' for the package's own name."""
    return source.partition(" ")[0] or name


def _source_version_of(source: str, version: str) -> str:
    return source.partition(" ")[2][1:-1] or version


def _text_of(number: int | None) -> str:
    return "" if number is None else str(number)


def _filled(kind: type[T], columns: dict[str, Iterable[Any]], count: int) -> list[T]:
    """`count` objects of a slotted class, its slots filled column by column.

    A frozen dataclass's own __init__ costs 2.5 µs for fourteen fields; this costs 0.6.
    """
    objects: list[T] = list(map(object.__new__, repeat(kind, count)))
    for name, values in columns.items():
        setter: Callable[[T, Any], None] = getattr(kind, name).__set__
        deque(map(setter, objects, values), maxlen=0)
    return objects
