"""What was seen of each source: the newest Release that was adopted. Nothing older is taken again (replay).

Two Release files of one Date and different text are refused like an older one: one of them must be hidden
from somebody. The text is compared, not the file, since archives add signatures to a Release without changing
it.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from suture.errors import BadInputError
from suture.sourcing.refusal import Refusal, RefusalReason
from suture.sourcing.release import Release
from suture.sourcing.source import AptSource


@dataclass(frozen=True)
class SeenRelease:
    """date: the Release's own. release_sha256: of the signed text; inrelease_sha256: of the file that carried it."""

    date: datetime
    release_sha256: str
    inrelease_sha256: str
    key_fingerprint: str
    seen_at: datetime


class SeenState(Protocol):
    """A memory that outlives one run."""

    def last(self, source: AptSource, release: Release) -> SeenRelease | None:
        """The newest Release adopted of this source; None: never seen."""

    def remember(self, source: AptSource, release: Release, seen: SeenRelease) -> None: ...


class NothingSeen:
    """No memory: replays cannot be found. For one-off checks; the caller says so."""

    def last(self, source: AptSource, release: Release) -> SeenRelease | None:  # noqa: ARG002
        return None

    def remember(self, source: AptSource, release: Release, seen: SeenRelease) -> None:
        """Forgets."""


class FolderSeen:
    """One JSON file a suite, keyed by what the Release calls itself: a replay may come from another address."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def last(self, source: AptSource, release: Release) -> SeenRelease | None:
        path = self._path(source, release)
        if not path.exists():
            return None
        try:
            found = json.loads(path.read_text("utf-8"))
            return SeenRelease(
                datetime.fromisoformat(found["date"]),
                found["release_sha256"],
                found["inrelease_sha256"],
                found["key_fingerprint"],
                datetime.fromisoformat(found["seen_at"]),
            )
        except (ValueError, KeyError, TypeError, OSError) as error:
            # Never "as if nothing had been seen": that would be the replay's way in.
            raise BadInputError(
                f"{path} cannot be read: {error}.",
                remedy="Restore it from a backup; remove it only if you accept that replays go unseen once.",
            ) from error

    def remember(self, source: AptSource, release: Release, seen: SeenRelease) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(source, release)
        record = {
            "suite": source.suite,
            "origin": release.origin,
            "label": release.label,
            "date": seen.date.isoformat(),
            "release_sha256": seen.release_sha256,
            "inrelease_sha256": seen.inrelease_sha256,
            "key_fingerprint": seen.key_fingerprint,
            "seen_at": seen.seen_at.isoformat(),
        }
        draft = path.with_suffix(f".{os.getpid()}.new")
        draft.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        draft.replace(path)

    def _path(self, source: AptSource, release: Release) -> Path:
        identity = json.dumps([release.origin, release.label, source.suite])
        slug = "".join(c if c.isalnum() or c in "-." else "_" for c in source.suite)
        return self._folder / f"{slug}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.json"


def check_not_older(release: Release, text_sha256: str, last: SeenRelease | None, *, subject: str) -> None:
    """Raises Refusal: ROLLBACK."""
    if last is None or release.date > last.date:
        return
    if release.date == last.date and text_sha256 == last.release_sha256:
        return
    if release.date == last.date:
        sentence = (
            f"{subject} has the Date {release.date:%Y-%m-%d %H:%M:%S} UTC of a Release seen before, and other text."
        )
    else:
        sentence = (
            f"{subject} is dated {release.date:%Y-%m-%d %H:%M:%S} UTC; one of {last.date:%Y-%m-%d %H:%M:%S} UTC"
            f" was seen on {last.seen_at:%Y-%m-%d}. This is an older state than the one already known."
        )
    raise Refusal(RefusalReason.ROLLBACK, sentence, subject=subject)
