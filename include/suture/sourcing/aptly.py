"""aptly, as far as Suture uses it: a package pool, immutable snapshots, and index files written into a staging folder.

aptly neither signs nor publishes here: that is internal.py's part. Its database must not be used by two at once: the
caller holds the lock.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from suture.errors import SutureError

APTLY_TIMEOUT_S = 600
COMPONENT = "main"


class AptlyError(SutureError):
    """aptly is missing or refused; the published repository was not touched."""


class Aptly:
    """An aptly root below `root`; published trees go to `staging`."""

    def __init__(self, root: Path, staging: Path) -> None:
        self._root = root
        self.staging = staging

    def snapshots(self) -> list[str]:
        return self._run("snapshot", "list", "-raw").split()

    def snapshot_of(self, name: str, files: Sequence[Path]) -> None:
        """A snapshot that holds exactly these .deb files (at least one)."""
        self._run("repo", "create", f"-component={COMPONENT}", name)
        try:
            self._run("repo", "add", name, *map(str, files))
            self._run("snapshot", "create", name, "from", "repo", name)
        finally:
            self._run("repo", "drop", "-force", name)

    def empty_snapshot(self, name: str) -> None:
        self._run("snapshot", "create", name, "empty")

    def merged_snapshot(self, name: str, sources: Sequence[str]) -> None:
        """A snapshot with all packages of the others, every version of them."""
        self._run("snapshot", "merge", "-no-remove", name, *sources)

    def filtered_snapshot(self, name: str, source: str, query: str) -> None:
        self._run("snapshot", "filter", source, name, query)

    def write_tree(self, snapshot: str, *, distribution: str, architectures: Sequence[str], origin: str) -> Path:
        """Unsigned dists/ and pool/ of a snapshot, in a folder below `staging`."""
        self._run(
            "publish",
            "snapshot",
            "-skip-signing",
            "-skip-contents",
            "-skip-bz2",
            f"-distribution={distribution}",
            f"-component={COMPONENT}",
            f"-architectures={','.join(architectures)}",
            f"-origin={origin}",
            f"-label={origin}",
            snapshot,
            f"filesystem:staging:{snapshot}",
        )
        return self.staging / snapshot

    def drop_tree(self, snapshot: str, *, distribution: str) -> None:
        self._run("publish", "drop", "-force-drop", distribution, f"filesystem:staging:{snapshot}")

    def drop_snapshot(self, name: str) -> None:
        self._run("snapshot", "drop", "-force", name)

    def _run(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["aptly", f"-config={self._config()}", *arguments],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=APTLY_TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise AptlyError("aptly is not installed.", remedy="Install the package aptly.") from error
        except subprocess.TimeoutExpired as error:
            raise AptlyError(f"aptly {arguments[0]} did not end within {APTLY_TIMEOUT_S} s.") from error
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip())[-800:]
            raise AptlyError(f"aptly {' '.join(arguments[:2])} failed: {said}.")
        return done.stdout

    def _config(self) -> Path:
        path = self._root / "aptly.conf"
        config = {
            "rootDir": str(self._root.resolve()),
            "gpgDisableSign": True,
            "FileSystemPublishEndpoints": {
                "staging": {"rootDir": str(self.staging.resolve()), "linkMethod": "hardlink", "verifyMethod": "md5"}
            },
        }
        text = json.dumps(config, indent=1)
        if not path.exists() or path.read_text("utf-8") != text:
            self._root.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return path
