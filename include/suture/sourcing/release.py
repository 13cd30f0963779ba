"""The Release file: when it was made, how long it holds, what it calls itself, and the strong hashes of its indices.

Read strictly, as only signed text gets here and a signer has no reason for doubtful forms: a field twice, a
line that is no field, a path listed twice with different digests, a path that leaves the suite's folder are
all malformed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from suture.sourcing.refusal import Refusal, RefusalReason

if TYPE_CHECKING:  # source.py needs this module's paths
    from suture.sourcing.source import AptSource

MAX_FUTURE = timedelta(seconds=10)  # apt's Acquire::Max-FutureTime
STRONG_HASHES: Mapping[str, int] = {"SHA256": 64, "SHA512": 128}  # hexadecimal digits
WEAK_HASHES = ("MD5Sum", "SHA1")
_FIELD = re.compile(r"^(?P<name>[!-9;-~]+):[ \t]*(?P<value>.*)$")
_UNSAFE_PATH = re.compile(r"(^/)|(^~)|(^-)|(//)|(^|/)\.\.?(/|$)|[\x00-\x20\x7f\\]|[^\x00-\x7f]")


@dataclass(frozen=True)
class ListedFile:
    """A file as a signed list names it. digests: by algorithm (SHA256, SHA512), lower-case hexadecimal, one or more."""

    path: str
    size: int
    digests: Mapping[str, str]


@dataclass(frozen=True)
class Release:
    """valid_until: None when the file does not say. components and architectures: () when it names none.

    weakly_listed: paths that have an MD5 or SHA-1 digest and no strong one.
    """

    origin: str | None
    label: str | None
    suite: str | None
    codename: str | None
    date: datetime
    valid_until: datetime | None
    acquire_by_hash: bool
    components: tuple[str, ...]
    architectures: tuple[str, ...]
    files: Mapping[str, ListedFile]
    weakly_listed: frozenset[str] = frozenset()

    def expires_at(self, max_age: timedelta) -> datetime:
        return self.valid_until if self.valid_until is not None else self.date + max_age


def is_safe_path(path: str) -> bool:
    """Whether a path from a list stays below the folder it is relative to, and holds plain characters only."""
    return bool(path) and len(path) <= 1024 and _UNSAFE_PATH.search(path) is None


def parse_release(text: bytes, *, subject: str) -> Release:
    """Raises Refusal: MALFORMED, WEAK_HASH (only MD5 or SHA-1)."""
    fields = _fields(text, subject)
    if "Date" not in fields:
        raise _malformed(subject, "it has no Date, so nothing says how old it is")
    files = _files(fields, subject)
    weak = {line.split()[-1] for name in WEAK_HASHES for line in fields.get(name, "").split("\n") if line}
    return Release(
        origin=fields.get("Origin"),
        label=fields.get("Label"),
        suite=fields.get("Suite"),
        codename=fields.get("Codename"),
        date=_date(fields["Date"], subject),
        valid_until=_date(fields["Valid-Until"], subject) if "Valid-Until" in fields else None,
        acquire_by_hash=fields.get("Acquire-By-Hash", "no").lower() == "yes",
        components=tuple(fields.get("Components", "").split()),
        architectures=tuple(fields.get("Architectures", "").split()),
        files=files,
        weakly_listed=frozenset(weak - files.keys()),
    )


def check_time(release: Release, source: AptSource, *, at: datetime, subject: str) -> None:
    """Raises Refusal: NOT_YET_VALID, EXPIRED."""
    if release.date > at + MAX_FUTURE:
        raise Refusal(
            RefusalReason.NOT_YET_VALID,
            f"{subject} is dated {_stamp(release.date)}, which is later than {_stamp(at)}.",
            subject=subject,
        )
    end = release.expires_at(source.max_age)
    if end > at:
        return
    age = at - release.date
    if release.valid_until is not None:
        why = f"{subject} was valid until {_stamp(end)}; now is {_stamp(at)}."
    else:
        why = (
            f"{subject} says no Valid-Until and is {age.total_seconds() / 86400:.1f} days old;"
            f" {source.name} may be {source.max_age.total_seconds() / 86400:g}."
        )
    raise Refusal(RefusalReason.EXPIRED, why, subject=subject)


def check_identity(release: Release, source: AptSource, *, subject: str) -> None:
    """Is it the suite that was asked for? Raises Refusal: IDENTITY_MISMATCH."""
    names = {name for name in (release.suite, release.codename) if name}
    # "bookworm/updates" was how security suites were asked for while they called themselves "bookworm".
    if not names & {source.suite, source.suite.removesuffix("/updates")}:
        said = ", ".join(sorted(names)) or "nothing"
        raise _mismatch(subject, "Suite or Codename", source.suite, said)
    for field, expected, found in (
        ("Codename", source.codename, release.codename),
        ("Origin", source.origin, release.origin),
        ("Label", source.label, release.label),
    ):
        if expected is not None and expected != found:
            raise _mismatch(subject, field, expected, found or "nothing")
    for field, wanted, has in (
        ("Components", source.components, {c.rpartition("/")[2] for c in release.components}),
        ("Architectures", source.architectures, set(release.architectures)),
    ):
        missing = [one for one in wanted if one.rpartition("/")[2] not in has]
        if missing and has:
            raise _mismatch(subject, field, ", ".join(missing), ", ".join(sorted(has)))


def _mismatch(subject: str, field: str, expected: str, found: str) -> Refusal:
    sentence = f"{subject} is another repository than expected: {field} should be {expected} and is {found}."
    return Refusal(RefusalReason.IDENTITY_MISMATCH, sentence, subject=subject)


def _malformed(subject: str, why: str) -> Refusal:
    return Refusal(RefusalReason.MALFORMED, f"{subject} cannot be read: {why}.", subject=subject)


def _fields(text: bytes, subject: str) -> dict[str, str]:
    try:
        decoded = text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed(subject, f"not UTF-8 at byte {error.start}") from error
    if "\x00" in decoded:
        raise _malformed(subject, "it holds a NUL character")
    fields: dict[str, str] = {}
    name = ""
    for number, line in enumerate(decoded.strip("\r\n").split("\n"), start=1):
        if line[:1] in {" ", "\t"} and name:
            fields[name] += "\n" + line.strip()
            continue
        match = _FIELD.match(line.rstrip("\r"))
        if match is None:
            raise _malformed(subject, f"line {number} is no field")
        name = match["name"]
        if name in fields:
            raise _malformed(subject, f"the field {name} stands twice")
        fields[name] = match["value"].strip()
    return fields


def _date(value: str, subject: str) -> datetime:
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError) as error:
        raise _malformed(subject, f"{value!r} is no date (RFC 5322)") from error
    if parsed.tzinfo is None or parsed.utcoffset() != timedelta(0):
        # apt knows UTC only (GMT, UTC, Z, +0000); another zone is a sign of a home-made file.
        raise _malformed(subject, f"the date {value!r} is not in UTC")
    return parsed.astimezone(UTC)


def _files(fields: Mapping[str, str], subject: str) -> dict[str, ListedFile]:
    present = [name for name in STRONG_HASHES if fields.get(name)]
    if not present:
        weak = [name for name in WEAK_HASHES if name in fields]
        if weak:
            raise Refusal(
                RefusalReason.WEAK_HASH,
                f"{subject} lists its indices by {' and '.join(weak)} only; these can be forged.",
                subject=subject,
            )
        raise _malformed(subject, "it lists no index")
    files: dict[str, ListedFile] = {}
    for algorithm in present:
        for line in fields[algorithm].split("\n"):
            if line:
                _add(files, algorithm, line, subject)
    return files


def _add(files: dict[str, ListedFile], algorithm: str, line: str, subject: str) -> None:
    parts = line.split()
    if len(parts) != 3 or not parts[1].isdigit() or not re.fullmatch(r"[0-9a-fA-F]+", parts[0]):
        raise _malformed(subject, f"{line!r} is no entry of {algorithm}")
    digest, size, path = parts[0].lower(), int(parts[1]), parts[2]
    if len(digest) != STRONG_HASHES[algorithm]:
        raise _malformed(subject, f"the {algorithm} of {path} has {len(digest)} digits")
    if not is_safe_path(path):
        raise _malformed(subject, f"the path {path!r} leaves the suite's folder")
    known = files.get(path)
    if known is None:
        files[path] = ListedFile(path, size, {algorithm: digest})
    elif known.size != size or known.digests.get(algorithm, digest) != digest:
        raise _malformed(subject, f"{path} is listed twice, differently")
    else:
        files[path] = ListedFile(path, size, {**known.digests, algorithm: digest})


def _stamp(when: datetime) -> str:
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
