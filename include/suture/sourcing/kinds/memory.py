"""What was seen of a source before: the newest state that was adopted, in a folder that outlives one run.

An older state is refused, and another one of the same order too: one of the two must be hidden from somebody. A state is
noted only after everything that was asked for has been proven.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from suture.errors import BadInputError
from suture.sourcing.refusal import Refusal, RefusalReason


class Memory:
    """One source's memory. folder None: nothing is known and nothing kept. identity: what names the source by itself,
    not by its address, since a replay may come from another one."""

    def __init__(self, folder: Path | None, kind: str, identity: Sequence[str]) -> None:
        self._identity = [kind, *identity]
        digest = hashlib.sha256(json.dumps(self._identity).encode()).hexdigest()[:16]
        self._path = folder / f"{kind}-{digest}.json" if folder is not None else None

    def require_readable(self) -> None:
        """Raises BadInputError for a memory that is there and damaged."""
        self._read()

    def require_not_older(self, order: Sequence[int], sha256: str, *, subject: str) -> None:
        """order: numbers, newest is greatest; sha256: of the state. Raises Refusal ROLLBACK; BadInputError (damaged)."""
        found = self._read()
        if found is None:
            return
        known, known_sha256, seen_at = found
        if sha256 == known_sha256 or list(order) > known:
            return
        if list(order) == known:
            sentence = f"{subject} has the date and revision of a state seen before, and other content."
        else:
            sentence = f"{subject} is an older state than the one that was seen on {seen_at:%Y-%m-%d}."
        raise Refusal(RefusalReason.ROLLBACK, sentence, subject=subject)

    def remember(self, order: Sequence[int], sha256: str, *, at: datetime) -> None:
        if self._path is None:
            return
        found = self._read()
        if found is not None and list(order) < found[0]:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        record = {"identity": self._identity, "order": list(order), "sha256": sha256, "seen_at": at.isoformat()}
        draft = self._path.with_suffix(f".{os.getpid()}.new")
        draft.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        draft.replace(self._path)

    def _read(self) -> tuple[list[int], str, datetime] | None:
        if self._path is None or not self._path.exists():
            return None
        try:
            found = json.loads(self._path.read_text("utf-8"))
            return (
                [int(number) for number in found["order"]],
                str(found["sha256"]),
                datetime.fromisoformat(found["seen_at"]),
            )
        except (ValueError, KeyError, TypeError, OSError) as error:
            # Never "as if nothing had been seen": that would be the replay's way in.
            raise BadInputError(
                f"{self._path} cannot be read: {error}.",
                remedy="Restore it from a backup; remove it only if you accept that replays go unseen once.",
            ) from error
