"""Reading Debian's advisory lists (DSA/list, DLA/list) as history.

The format, as the security tracker's repository keeps it (data/DSA/list, data/DLA/list):

    [17 Mar 2023] DSA-5356-2 sox - regression update
            {CVE-2021-23159 CVE-2021-23172}
            [bullseye] - sox 14.4.2+git20190427-2+deb11u2
            NOTE: free text

The rules:

1. A line that starts with `[` opens an entry; lines that start with a blank belong to it. Anything else is left out, and said.
2. An entry that cannot be read (a date that is none, no id) is left out with its line and the reason; the others stand.
3. An entry without a package, or whose description announces (end of life, keys, formats), is kept as `other`: it is no patch.
4. An entry is a regression update when its description says regression. Revision n > 1 is a revision of `<id>-1`.
5. Several packages in one entry (before 2011) are one entry for each.
6. Text is data: control characters become a visible mark, a NUL or a file beyond the size limit is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from suture.errors import BadInputError
from suture.model.history import AdvisoryKind, HistoricAdvisory

MAX_BYTES = 64 * 1024 * 1024
MAX_LINE = 20_000
_HEAD = re.compile(r"^\[(\d{1,2} [A-Za-z]{3} \d{4})\]\s+((?:DSA|DLA|ELA)-(\d{1,6})(?:-(\d{1,4}))?)(?:\s+(.*))?$")
_FIXED = re.compile(r"^\[([a-z]{1,32})\]\s+-\s+(\S{1,200})\s+(\S{1,200})")
_CVE = re.compile(r"\bC(?:VE|AN)-(\d{4}-\d{4,19})\b", re.IGNORECASE)
_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9+.-]*$")
_NO_PATCH = re.compile(r"end[- ]of[- ](life|support)|announcement|key change|upcoming changes|timezone database|new package$", re.I)


@dataclass(frozen=True)
class LeftOut:
    """A line that was not understood: where, and why. `text` is cut and made visible."""

    file: str
    line: int
    reason: str
    text: str


@dataclass(frozen=True)
class History:
    """advisories in the order of their publication, oldest first."""

    advisories: tuple[HistoricAdvisory, ...]
    left_out: tuple[LeftOut, ...]


@dataclass
class _Entry:
    published: date
    advisory_id: str
    revision: int
    revision_of: str | None
    packages: tuple[str, ...]
    description: str
    cves: set[str]
    fixed: list[tuple[str, str, str]]


def read_history(paths: Iterable[Path]) -> History:
    """Every entry of these list files. Raises BadInputError for a file that cannot be read, is too large, or holds none."""
    advisories: list[HistoricAdvisory] = []
    left_out: list[LeftOut] = []
    for path in paths:
        found = parse_list(_text(path), name=path.name)
        if not found.advisories:
            raise BadInputError(
                f"{path} holds no advisory: it is not a DSA or DLA list.",
                remedy="Give data/DSA/list or data/DLA/list of Debian's security tracker.",
            )
        advisories.extend(found.advisories)
        left_out.extend(found.left_out)
    unique = {(entry.advisory_id, entry.source_package): entry for entry in advisories}
    order = sorted(unique.values(), key=lambda entry: (entry.published, entry.advisory_id, entry.source_package))
    return History(tuple(order), tuple(left_out))


def parse_list(text: str, *, name: str = "<text>") -> History:
    """The entries of one list's text, in its own order. Raises BadInputError for a NUL character."""
    if "\x00" in text:
        raise BadInputError(f"{name} holds a NUL character: it is not a text list.")
    entries: list[_Entry] = []
    left_out: list[LeftOut] = []
    current: _Entry | None = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        if len(line) > MAX_LINE:
            left_out.append(_left(name, number, f"longer than {MAX_LINE} characters", line))
        elif line[0] == "[":
            current = _head(line.rstrip())
            if current is None:
                left_out.append(_left(name, number, "not an entry's first line (date, id, package, description)", line))
            else:
                entries.append(current)
        elif line[0] in " \t":
            if current is not None:
                _detail(current, line.strip())
        else:
            left_out.append(_left(name, number, "neither an entry nor a part of one", line))
    return History(tuple(found for entry in entries for found in _advisories(entry)), tuple(left_out))


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:  # no further than the limit: a device or a pipe tells no size
            found = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(found) > MAX_BYTES:
        raise BadInputError(f"{path} is larger than {MAX_BYTES} bytes: it is not an advisory list.")
    return found.decode("utf-8", errors="replace").replace("\r\n", "\n")


def _head(line: str) -> _Entry | None:
    match = _HEAD.match(line)
    if match is None:
        return None
    try:
        published = datetime.strptime(match[1], "%d %b %Y").date()  # noqa: DTZ007 - a day, without a time or a zone
    except ValueError:
        return None
    revision = int(match[4] or 1)
    family = match[2].rsplit("-", 1)[0] if match[4] else match[2]
    packages, description = _packages(match[5] or "")
    return _Entry(
        published=published,
        advisory_id=match[2],
        revision=revision,
        revision_of=f"{family}-1" if revision > 1 else None,
        packages=packages,
        description=_visible(description),
        cves=set(),
        fixed=[],
    )


def _packages(rest: str) -> tuple[tuple[str, ...], str]:
    """(source packages, description). () where the text before ` - ` is no list of package names: an announcement."""
    before, dash, after = rest.partition(" - ")
    names = tuple(name for name in re.split(r"[\s,]+", before.strip()) if name)
    if dash and names and all(_PACKAGE.match(name) for name in names):
        return names, after.strip()
    if not dash and len(names) == 1 and _PACKAGE.match(names[0]):
        return names, ""
    return (), rest.strip()


def _detail(entry: _Entry, line: str) -> None:
    if line.startswith("{"):
        entry.cves.update(f"CVE-{number}" for number in _CVE.findall(line))
    elif (match := _FIXED.match(line)) and not match[3].startswith("<"):
        entry.fixed.append((match[1], match[2], match[3]))


def _advisories(entry: _Entry) -> Iterator[HistoricAdvisory]:
    kind = AdvisoryKind.SECURITY
    if re.search("regression", entry.description, re.I):
        kind = AdvisoryKind.REGRESSION
    elif not entry.packages or _NO_PATCH.search(entry.description):
        kind = AdvisoryKind.OTHER
    for package in entry.packages or ("",):
        yield HistoricAdvisory(
            advisory_id=entry.advisory_id,
            published=entry.published,
            source_package=package,
            kind=kind,
            cves=tuple(sorted(entry.cves)),
            fixed=tuple((code, version) for code, name, version in entry.fixed if name == package or not package),
            revision=entry.revision,
            revision_of=entry.revision_of,
            title=entry.description,
        )


def _left(name: str, line: int, reason: str, text: str) -> LeftOut:
    return LeftOut(name, line, reason, _visible(text[:80]))


def _visible(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text[:500])
