"""Debian's security tracker as JSON: source package → vulnerability → what holds in each release.

The rules:

1. resolved with a version: fixed by that version; all vulnerabilities of one fix are one advisory.
2. resolved with version 0: the package of that release was never affected. A VEX statement, no advisory.
3. open: an advisory without a fix, one a vulnerability. Urgency `end-of-life` means that no fix will come.
4. undetermined: nobody has looked yet. That is a state, and neither affected nor safe.
5. Urgencies stand as Debian gives them (`unimportant`: no security update will be made for it alone); "not yet assigned"
   is None. An advisory's urgency is its worst vulnerability's.
6. A record is one vulnerability of one package. A bad one costs that one; a package that is no object costs the package.

The tracker gives no date of its own: its age is the snapshot's.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import msgspec

from suture.feeds.decoded import Decoded, Rejected, Row, kept
from suture.feeds.errors import FeedFormatError
from suture.feeds.format import FeedFormat
from suture.feeds.outside_text import line
from suture.feeds.package_names import CODENAMES, checked_version, package_name
from suture.feeds.strict_json import decode_document, decode_record, refuse_ambiguous, refuse_web_page
from suture.feeds.vendor_rows import (
    Origin,
    Span,
    Subject,
    advisory_id,
    advisory_row,
    alias_rows,
    cve_row,
    range_row,
    vex_row,
    without_twins,
)  # fmt: skip

TABLES = ("advisory", "advisory_cve", "advisory_range", "advisory_alias", "vex_statement")
_URGENCIES = ("high", "medium", "low", None, "unimportant", "end-of-life")  # the worst first; unassigned is no comfort
_AUTHOR = "Debian Security Team"
_NO_VERSION = "0"


class Release(msgspec.Struct):
    """One release's row. fixed_version only with status resolved; nodsa: why there is no advisory."""

    status: str
    fixed_version: str | None = None
    urgency: str | None = None
    nodsa: str | None = None
    nodsa_reason: str | None = None


class Entry(msgspec.Struct):
    releases: dict[str, msgspec.Raw]
    description: str | None = None
    scope: str | None = None


def decode(
    raw: bytes,
    *,
    where: str,
    feed: str = "debian_tracker",
    advisory_source: str | None = None,
    suite: str = "",
    codename: str | None = None,
    **_options: object,
) -> Decoded:
    """Rows of TABLES; record ids are source packages. codename: that release only; None: each one that is known.

    Raises FeedFormatError for a document that is no object of packages.
    """
    refuse_web_page(raw, where=where)
    packages = decode_document(raw, dict[str, msgspec.Raw], where=where)
    origin = Origin(feed, advisory_source or feed, suite, codename)
    tables: dict[str, list[Row]] = {table: [] for table in TABLES}
    rejected: list[Rejected] = []
    records = 0
    for package, body in packages.items():
        reader = _Package(origin, package, where)
        try:
            reader.read(bytes(body))
        except (FeedFormatError, ValueError) as error:
            rejected.append(Rejected(package[:200], f"{where}, package {package[:80]!r}: {_reason(error)}", kept(body)))
            records += 1
            continue
        records += reader.records
        rejected += reader.rejected
        for table, row in reader.rows():
            tables[table].append(row)
    return Decoded(None, without_twins(tables), rejected, records)


class _Package:
    """Gathers one package's vulnerabilities by release and fix."""

    def __init__(self, origin: Origin, package: str, where: str) -> None:
        self.origin, self.package, self.where = origin, package[:200], where
        self.records = 0
        self.rejected: list[Rejected] = []
        # (release, fixed version or None, vulnerability when there is no fix) → vulnerability → its row
        self._found: dict[tuple[str, str | None, str], dict[str, Release]] = defaultdict(dict)
        self._safe: list[tuple[str, str]] = []

    def read(self, body: bytes) -> None:
        package_name("deb", self.package)
        for name, raw in _entries(body, self.where).items():
            self.records += 1
            try:
                self._take(name, decode_record(raw, Entry, where=f"{self.where}, {self.package}, {name[:60]}"))
            except (FeedFormatError, ValueError) as error:
                reason = f"{self.where}, {self.package}, {name[:60]}: {_reason(error)}"
                self.rejected.append(Rejected(f"{self.package}/{name[:60]}", reason, kept(raw)))

    def _take(self, name: str, entry: Entry) -> None:
        if len(name) > 60 or not name.isascii() or not name.isprintable() or " " in name:
            raise ValueError("its name is no vulnerability's id")
        for release, raw in entry.releases.items():
            if release not in CODENAMES or self.origin.codename not in (None, release):
                continue  # -lts and other suites of the tracker repeat the release's own state
            try:
                self._state(name, release, decode_record(bytes(raw), Release, where=f"release {release}"))
            except (FeedFormatError, ValueError) as error:
                reason = f"{self.where}, {self.package}, {name}, release {release}: {_reason(error)}"
                self.rejected.append(Rejected(f"{self.package}/{name}/{release}", reason, kept(raw)))

    def _state(self, name: str, release: str, found: Release) -> None:
        if found.status == "resolved":
            if not found.fixed_version:
                raise ValueError("fixed_version: it is resolved, but says not by which version")
            if found.fixed_version == _NO_VERSION:
                self._safe.append((release, name))
            else:
                self._found[(release, checked_version("deb", found.fixed_version), "")][name] = found
        elif found.status in ("open", "undetermined"):
            self._found[(release, None, name)][name] = found
        else:
            raise ValueError(f"status: {found.status[:40]!r} is none of resolved, open, undetermined")

    def rows(self) -> Iterator[tuple[str, Row]]:
        for (release, fixed, vulnerability), names in self._found.items():
            subject = Subject(self.package, "deb", self.package, release)
            name = advisory_id(self.origin, subject, fixed, vulnerability)
            state = _state_of(names[vulnerability]) if fixed is None else "affected"
            yield (
                "advisory",
                advisory_row(self.origin, subject, name, fixed=fixed, urgency=_worst(names), details={"state": state}),
            )
            yield (
                "advisory_range",
                range_row(self.origin, subject, name, Span(fixed=fixed, state=state, cve_ids=tuple(names))),
            )
            for cve, found in names.items():
                yield "advisory_cve", cve_row(subject, name, cve, urgency=_urgency(found), note=_note(found))
            for row in alias_rows(subject, name, {vulnerability: "self"} if vulnerability else {}):
                yield "advisory_alias", row
        for release, cve in self._safe:
            yield "vex_statement", vex_row(
                self.origin, record_id=self.package, document_id=f"{self.package}/{cve}", author=_AUTHOR,
                vulnerability=cve, product=f"pkg:deb/debian/{self.package}?distro={release}", status="not_affected",
                ecosystem="deb", package=self.package, codename=release,
                impact="The tracker gives 0 as the fixed version: this release was never affected.",
            )  # fmt: skip


def _entries(body: bytes, where: str) -> dict[str, bytes]:
    try:
        refuse_ambiguous(body)
        return {name: bytes(raw) for name, raw in decode_document(body, dict[str, msgspec.Raw], where=where).items()}
    except FeedFormatError as error:
        raise ValueError(error.why) from error


def _state_of(found: Release) -> str:
    if found.status == "undetermined":
        return "undetermined"
    return "end_of_life" if found.urgency == "end-of-life" or found.nodsa_reason == "end-of-life" else "affected"


def _urgency(found: Release) -> str | None:
    word = (found.urgency or "").strip("* ")
    return word if word in _URGENCIES else None


def _worst(names: Mapping[str, Release]) -> str | None:
    return min((_urgency(found) for found in names.values()), key=_URGENCIES.index)


def _note(found: Release) -> str | None:
    words = [word for word in (found.nodsa_reason, found.nodsa) if word]
    return line(": ".join(words), 500) if words else None


def _reason(error: Exception) -> str:
    return f"{error.why if isinstance(error, FeedFormatError) else str(error)}."


FORMAT = FeedFormat(name="debian_tracker", decode=decode, tables=TABLES, complete=True, main_table="advisory")
