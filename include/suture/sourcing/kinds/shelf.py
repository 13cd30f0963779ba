"""The shelf: proven files of the kinds that are not deployed, each under its own digest.

    <repository>/shelf/sha256/ab/abcd…          a file, read-only
    <repository>/shelf/adoptions/<source>/<digest>.json   what one adoption holds: path → SHA-256, size, name, version

The rules:

1. A file is put under the SHA-256 that its proof computed, by one rename: it is there whole or not at all. A file that is there
   is put again all the same, which heals one that was damaged.
2. An adoption is named by a digest over its paths and their SHA-256s. Its list is written last: what no list names (a machine that
   died on the way) belongs to nothing.
3. Hosts do not read the shelf. An agent, an image builder or an air-gapped site takes files from it by digest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from suture.errors import SutureError
from suture.sourcing.kinds.result import KindAdoption, ProvenFile


class ShelfError(SutureError):
    """The shelf could not be written. What was put there so far belongs to no adoption."""

    retryable = True


class Shelf:
    def __init__(self, root: Path) -> None:
        self.root = root

    def path_of(self, sha256: str) -> Path:
        return self.root / "sha256" / sha256[:2] / sha256

    def list_of(self, source: str, reference: str) -> Path:
        return self.root / "adoptions" / source / f"{reference}.json"

    def put(self, adoption: KindAdoption, kept: Mapping[str, Path]) -> str:
        """Take the files over, which are moved from where they were kept; the adoption's reference. Raises ShelfError.

        kept: SHA-256 → where it lies, on the shelf's own file system, for every file of the adoption.
        """
        reference = reference_of(adoption.files)
        try:
            for sha256, path in kept.items():
                self._put_file(path, sha256)
            self._write_list(adoption, reference)
        except OSError as error:
            raise ShelfError(
                f"The shelf {self.root} cannot be written: {error.strerror}.",
                remedy="Make room there, or mend its permissions; it is tried again.",
            ) from error
        return reference

    def holds(self, source: str, reference: str) -> bool:
        """Whether an adoption's list is there, and every file that it names, by size. (Contents: see `damaged`.)"""
        return not self._faults(source, reference, read=False)

    def damaged(self, source: str, reference: str) -> list[str]:
        """The paths whose files are missing or not what was proven; every file is read."""
        return self._faults(source, reference, read=True)

    def _faults(self, source: str, reference: str, *, read: bool) -> list[str]:
        try:
            listed = json.loads(self.list_of(source, reference).read_text("utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return ["the adoption's list"]
        return [one["path"] for one in listed if not _is_whole(self.path_of(one["sha256"]), one, read=read)]

    def _put_file(self, path: Path, sha256: str) -> None:
        target = self.path_of(sha256)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.chmod(0o444)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.replace(target)

    def _write_list(self, adoption: KindAdoption, reference: str) -> None:
        target = self.list_of(adoption.source, reference)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_suffix(f".{os.getpid()}.new")
        draft.write_text(json.dumps(adoption.chain(), indent=1, sort_keys=True) + "\n", "utf-8")
        draft.replace(target)


def reference_of(files: Sequence[ProvenFile]) -> str:
    lines = sorted(f"{file.sha256} {file.path}" for file in files)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]


def _is_whole(path: Path, listed: dict[str, object], *, read: bool) -> bool:
    try:
        if path.stat().st_size != listed["size"]:
            return False
        if not read:
            return True
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == listed["sha256"]
    except OSError:
        return False
