"""The products that a CVE record says are affected: entries of its `affected` lists to rows of `cve_product`.

The rules:

1. An entry needs a name: a vendor, a product or a package. A version needs its text and its status. What has none, or is of
   another type than the format says, is left out and noted; the rest of the record stands.
2. Names and versions are a stranger's text: one line each, cut at a length (`outside_text`).
3. Of a record the first MAX_PRODUCTS entries and the first MAX_VERSIONS versions are kept, and how many there were is said.
4. A REJECTED record has no products.
5. Entries of one container that stand together and name the same vendor are one row; most records have one.

`read` says what an entry means. `quick_rows` gives the same for the many that need no mending, and knows when it cannot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import msgspec

from suture.feeds import outside_text
from suture.feeds.decoded import Rejected, Row, kept

MAX_PRODUCTS = 1000  # of one record; those of whole distributions name some hundreds
MAX_VERSIONS = 10_000  # of all its products; some vendors list each of thousands
MAX_NOTES = 20  # of what was left out of one record
MAX_NAME, MAX_VERSION, MAX_URL = 500, 500, 2000
STATUSES = ("affected", "unaffected", "unknown")
COLUMNS = ("cve_id", "place", "source", "vendor", "products")
_NAMES = (("vendor", "vendor"), ("product", "product"), ("packageName", "package_name"), ("collectionURL", "collection_url"))
_BOUNDS = ("lessThan", "lessThanOrEqual", "versionType")
_write = msgspec.json.Encoder().encode


class UnsureError(Exception):
    """An entry needs mending, or there are too many: `read` decides."""


class Reader:
    """Reads the entries of one record, container by container."""

    def __init__(self, cve_id: str, rejected: list[Rejected]) -> None:
        self.rows: list[Row] = []
        self._cve_id, self._rejected = cve_id, rejected
        self._kept = self._entries = self._versions = self._versions_met = self._noted = 0

    def read(self, who: str, affected: object) -> None:
        """The entries of one container; `who` said so. None: it has no such list."""
        if affected is None:
            return
        if not isinstance(affected, list):
            self._leave_out(f"{who}: its `affected` is no list", affected)
            return
        rows: list[Row] = []
        for entry in affected:
            self._entries += 1
            if self._entries <= MAX_PRODUCTS:
                self._entry(who, entry, rows)
        self.rows += rows

    def done(self) -> list[Row]:
        """The rows; what was too much is noted."""
        for what, count, most in (
            ("products", self._entries, MAX_PRODUCTS), ("versions", self._versions_met, MAX_VERSIONS),
        ):  # fmt: skip
            if count > most:
                self._note(f"it names {count} {what}; the first {most} are kept")
        if self._noted > MAX_NOTES:
            self._note(f"{self._noted - MAX_NOTES} more of its products and versions were left out")
        return self.rows

    def _entry(self, who: str, entry: object, rows: list[Row]) -> None:
        try:
            names = {column: _text(entry, key, MAX_URL if "URL" in key else MAX_NAME) for key, column in _NAMES}
            if not (names["vendor"] or names["product"] or names["package_name"]):
                raise ValueError("it names neither vendor, product nor package")
            default = _status(entry, "defaultStatus")
            versions = _list(entry, "versions")
        except ValueError as error:
            self._leave_out(f"{who}, an affected product: {error}", entry)
            return
        self._versions_met += len(versions)
        if len(versions) > MAX_VERSIONS - self._versions:
            versions = versions[: MAX_VERSIONS - self._versions]
        self._versions += len(versions)
        vendor = names.pop("vendor")
        said = {name: value for name, value in {**names, "default_status": default}.items() if value is not None}
        product = {**said, "versions": list(self._read_versions(who, versions))}
        if rows and rows[-1]["vendor"] == vendor:
            rows[-1]["products"].append(product)
        else:
            rows.append({
                "record_id": self._cve_id, "cve_id": self._cve_id, "place": self._kept, "source": who, "vendor": vendor,
                "products": [product],
            })  # fmt: skip
        self._kept += 1

    def _read_versions(self, who: str, versions: Iterable[object]) -> Iterator[Row]:
        for version in versions:
            try:
                changes = [
                    {"at": _needed(_text(change, "at", MAX_VERSION), "at"), "status": _needed(_status(change, "status"), "status")}
                    for change in _list(version, "changes")
                ]
                found: Row = {
                    "version": _needed(_text(version, "version", MAX_VERSION), "version"),
                    "status": _needed(_status(version, "status"), "status"),
                    **{key: text for key in _BOUNDS if (text := _text(version, key, MAX_VERSION)) is not None},
                }
            except ValueError as error:
                self._leave_out(f"{who}, a version of an affected product: {error}", version)
                continue
            yield {**found, "changes": changes} if changes else found

    def _leave_out(self, why: str, what: object) -> None:
        self._noted += 1
        if self._noted <= MAX_NOTES:
            self._note(why, kept(repr(what)[:2000].encode("utf-8", "replace")))

    def _note(self, why: str, shown: Row | None = None) -> None:
        self._rejected.append(Rejected(self._cve_id, f"{self._cve_id}, {why}.", shown or {}))


class Version(Protocol):
    """As `cve_shape` has it: written in JSON it is what `read` makes of it."""

    version: str
    lessThan: str | None  # noqa: N815 - the format's own names
    lessThanOrEqual: str | None  # noqa: N815
    versionType: str | None  # noqa: N815
    changes: Any


def quick_rows(
    cve_id: str, who: str, affected: Sequence[Any], place: int, rows: list[tuple[Any, ...]], all_written: list[bytes]
) -> int:
    """Add the rows of one container (types of `cve_shape`) in the order of COLUMNS; products as the bytes of their JSON.

    place: how many entries the record had before; returns how many with these. all_written: gets each list of versions as
    its JSON, and the entry loses it: who writes the record anew need not write it a second time. Raises UnsureError for
    what `read` would mend, note or cut."""
    first, known, longest = place, _LINES[affected[0].vendor], 0
    products: list[bytes] = []
    lists: list[Sequence[Any]] = []
    before = len(all_written)
    for entry in affected:
        vendor = _LINES[entry.vendor]
        names = _NAMED[entry.product, entry.packageName, entry.collectionURL, entry.defaultStatus]
        if vendor is None and not names.startswith(_NAME_FIRST):
            raise UnsureError
        if vendor != known:
            products.append(b"}]")
            rows.append((cve_id, first, who, known, b"".join(products)))
            first, known, products = place, vendor, []
        if entry.versions:
            written = _write(entry.versions)
            all_written.append(written)
            lists.append(entry.versions)
            entry.versions = None
            if len(written) > longest:
                longest = len(written)
            products += (b"},", names, written) if products else (b"[", names, written)
        else:
            products += (b"},", names, b"[]") if products else (b"[", names, b"[]")
        place += 1
    products.append(b"}]")
    rows.append((cve_id, first, who, known, b"".join(products)))
    if place > MAX_PRODUCTS:
        raise UnsureError
    if not _plain(b"".join(all_written[before:]), len(lists), longest):
        for versions in lists:
            _require_plain(versions)
    return place


def _plain(written: bytes, lists: int, longest: int) -> bool:
    """Whether no text in these lists of versions, written in JSON, can be one that `read` would mend: most are short and
    of ordinary letters without a blank, which is seen of all of them at once."""
    return (
        longest <= MAX_VERSION
        and written.isascii()
        and 0x5C not in written  # a backslash, a blank, a DEL: as numbers, which are found many times as fast
        and 0x20 not in written
        and 0x7F not in written
        and written.count(b"[") == lists  # no `changes`, which may be empty
        and written.find(b'""') < 0
    )


def require_few(affected: Iterable[Sequence[Any] | None]) -> None:
    """Raise UnsureError when a record has too many versions. affected: its containers' lists."""
    if sum(len(entry.versions or ()) for entries in affected for entry in entries or ()) > MAX_VERSIONS:
        raise UnsureError


def _require_plain(versions: Sequence[Version]) -> None:
    for version in versions:
        texts = (version.version, version.lessThan, version.lessThanOrEqual, version.versionType)
        if any(text is not None and _LINES[text] != text for text in texts) or version.changes == []:
            raise UnsureError
        if any(_LINES[change.at] != change.at for change in version.changes or ()):
            raise UnsureError


class _Lines(dict[str | None, str | None]):
    """A name as it came → as it is kept; the same ones come again and again. Raises UnsureError for one that is cut."""

    def __missing__(self, text: str | None) -> str | None:
        if len(self) > 5000:
            self.clear()
        found = outside_text.line(text, MAX_NAME) or None if text is not None else None
        if text is not None and len(text) > MAX_NAME:
            raise UnsureError  # an address may be longer
        self[text] = found
        return found


class _Named(dict[tuple[str | None, str | None, str | None, str | None], bytes]):
    """What stands before an entry's versions in its JSON: product, package, address and default status come together
    again and again."""

    def __missing__(self, key: tuple[str | None, str | None, str | None, str | None]) -> bytes:
        if len(self) > 5000:
            self.clear()
        product, package, address, default = key
        names = {
            "product": _LINES[product], "package_name": _LINES[package], "collection_url": _LINES[address],
            "default_status": default,
        }  # fmt: skip
        said = _write({name: value for name, value in names.items() if value is not None} | {"versions": 0})
        self[key] = found = said.removesuffix(b"0}")
        return found


_LINES = _Lines()
_NAMED = _Named()
_NAME_FIRST = (b'{"product":', b'{"package_name":')


def _text(entry: object, key: str, limit: int) -> str | None:
    if not isinstance(entry, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - a fault of the record
    text = entry.get(key)
    if text is not None and not isinstance(text, str):
        raise ValueError(f"its {key} is no text")
    return (outside_text.line(text, limit) or None) if text is not None else None


def _status(entry: object, key: str) -> str | None:
    status = _text(entry, key, 40)
    if status is not None and status not in STATUSES:
        raise ValueError(f"its {key} is {status!r}, which is none of {', '.join(STATUSES)}")
    return status


def _list(entry: object, key: str) -> list[Any]:
    found = entry.get(key) if isinstance(entry, dict) else None
    if found is None:
        return []
    if not isinstance(found, list):
        raise ValueError(f"its {key} is no list")  # noqa: TRY004
    return found


def _needed(value: str | None, key: str) -> str:
    if value is None:
        raise ValueError(f"it has no {key}")
    return value
