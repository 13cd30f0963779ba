"""The folder that hosts see, and how its state is changed: by one rename, or not at all.

Layout: dists -> .trees/<time>/dists, pool/, suture-internal.gpg (the key for Signed-By). Package files are added before the
rename and removed after it, so that at no moment an index lists a file that is not there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from suture.sourcing.packages import BinaryPackage

KEYRING_NAME = "suture-internal.gpg"


class PublicFolder:
    """`public`: what a web server serves to hosts. The caller holds the repository's lock."""

    def __init__(self, public: Path) -> None:
        self._public = public
        self._trees = public / ".trees"

    @property
    def keyring(self) -> Path:
        return self._public / KEYRING_NAME

    def promote(self, staged: Path, packages: Sequence[BinaryPackage], public_key: bytes, *, now: datetime) -> None:
        """Make `staged` what hosts see. Everything before the rename of the link is undone when it fails."""
        self._trees.mkdir(parents=True, exist_ok=True)
        tree = self._trees / f"{now.astimezone(UTC):%Y%m%dT%H%M%S}-{os.urandom(4).hex()}"
        added: list[Path] = []
        link = self._public / ".dists.new"
        try:
            for package in packages:
                target = self._public / package.filename
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    added.append(target)
                    link_or_copy(staged / package.filename, target)
            if not self.keyring.exists() or self.keyring.read_bytes() != public_key:
                self.keyring.write_bytes(public_key)
                self.keyring.chmod(0o644)
            shutil.copytree(staged / "dists", tree / "dists", symlinks=False)
            link.unlink(missing_ok=True)
            link.symlink_to(Path(self._trees.name, tree.name, "dists"))
            link.replace(self._public / "dists")
        except BaseException:
            link.unlink(missing_ok=True)
            for path in added:
                path.unlink(missing_ok=True)
            shutil.rmtree(tree, ignore_errors=True)
            _remove_empty_folders(self._public)
            raise
        self._clean(tree, packages)

    def _clean(self, current: Path, packages: Sequence[BinaryPackage]) -> None:
        """Remove trees that nobody sees and files that nobody lists."""
        for tree in self._trees.iterdir():
            if tree != current:
                shutil.rmtree(tree, ignore_errors=True)
        listed = {self._public / package.filename for package in packages}
        for path in (self._public / "pool").rglob("*"):
            if path.is_file() and path not in listed:
                path.unlink()
        _remove_empty_folders(self._public)

    def carry_over_hashes(self, staged: Path, distribution: str) -> None:
        """The indices that the present Release lists stay reachable by their hashes, for one more state."""
        present = self._public / "dists" / distribution
        for path in present.rglob("Packages*"):
            if "by-hash" not in path.parts:
                data = path.read_bytes()
                folder = staged / "dists" / distribution / path.relative_to(present).parent / "by-hash" / "SHA256"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / hashlib.sha256(data).hexdigest()).write_bytes(data)


def link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)  # another file system, or one without hard links


def _remove_empty_folders(folder: Path) -> None:
    for path in sorted((p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
