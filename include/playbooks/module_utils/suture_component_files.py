"""What language package managers and rpm have left on a host's disk, read and never run.

The rules:

1. Looked at is what lies under the given roots, on their own file system. No symbolic link is followed, no special file is
   opened, nothing that is found is executed; the one program that is asked is the host's own /usr/bin/rpm.
2. Every walk has an end: depth, entries, components, seconds, bytes of a file. Where one is reached, `limits` says so, and the
   list is not complete: whoever reads it must not conclude that what is missing is gone.
3. A file that belongs to dpkg or rpm is theirs: its package is in their list already, with the distribution's own fixes.
4. What cannot be read is counted, and the first of them are named; a broken file never hides another.
"""

from __future__ import annotations

import email.parser
import io
import json
import os
import re
import stat
import subprocess
import time
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

RPM = "/usr/bin/rpm"
RPM_FORMAT = "%{NAME}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\t%{SOURCERPM}\\n"
RPM_DATABASES = ("/usr/lib/sysimage/rpm", "/var/lib/rpm")
_RPM_FILES = ("rpmdb.sqlite", "Packages.db", "Packages")
_SOURCE_RPM = re.compile(r"(.+)-([^-]+-[^-]+)\.(?:no)?src\.rpm")
_ARCHIVES = (".jar", ".war", ".ear")
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_EGG = re.compile(r"(.+?)\.egg-info")
_OWNED = re.compile(r"(?:\.dist-info/METADATA|\.egg-info(?:/PKG-INFO)?|/package\.json|\.(?:jar|war|ear))$")
_NAMES = {"pypi": 200, "npm": 214, "maven": 300, "rpm": 200}
_MAX_VERSION, _MAX_LOCATION = 120, 900
_MAX_NESTED, _MAX_RATIO, _FAULTS_KEPT = 3, 200, 20
_SKIPPED = frozenset({"proc", "sys", "dev", "run", ".git", "__pycache__"})
_ORDINARY_TEXT = re.compile(r"[!-~]+(?: [!-~]+)*")


class Bounds(NamedTuple):
    """The ends of a walk. Bytes are of one file; of an archive, of the file itself and of each that lies in it."""

    max_depth: int = 12
    max_entries: int = 500_000
    max_components: int = 20_000
    max_seconds: float = 60.0
    max_file_bytes: int = 2 * 1024 * 1024
    max_archive_bytes: int = 300 * 1024 * 1024


class _Full(Exception):
    """A bound of the whole walk is reached."""


class Search:
    """One host's search. components: {ecosystem, name, version, source, location}; location: '' for the host's own rpm."""

    def __init__(self, ecosystems: list[str], bounds: Bounds) -> None:
        self.ecosystems = frozenset(ecosystems)
        self.bounds = bounds
        self.limits: list[str] = []
        self.faults: list[str] = []
        self.unreadable = 0
        self._found: dict[tuple[str, str, str, str], str | None] = {}
        self._entries = 0
        self._ends = time.monotonic() + bounds.max_seconds
        self._owned: frozenset[str] = frozenset()

    def run(self, roots: list[str]) -> dict[str, Any]:
        """Search the roots; what was found, as JSON."""
        self._owned = owned_files()
        try:
            if "rpm" in self.ecosystems:
                self._rpm_databases()
            for root in dict.fromkeys(os.path.normpath(root) for root in roots):
                self._walk(root)
        except _Full as full:
            self.limits.append(str(full))
        return {
            "components": [
                {"ecosystem": kind, "name": name, "version": version, "source": source, "location": location}
                for (kind, name, version, location), source in sorted(self._found.items())
            ],
            "ecosystems": sorted(self.ecosystems),
            "complete": not self.limits,
            "limits": self.limits,
            "unreadable": self.unreadable,
            "faults": self.faults,
            "entries": self._entries,
        }

    # -- the walk -----------------------------------------------------------------------------------------------

    def _walk(self, root: str) -> None:
        try:
            device = os.lstat(root).st_dev
        except OSError:
            return  # a root of the policy that this host does not have
        waiting = [(root, 0)]
        while waiting:
            folder, depth = waiting.pop()
            try:
                with os.scandir(folder) as listing:
                    entries = list(self._counted(listing))
            except NotADirectoryError:
                continue
            except OSError as error:
                self._fault(folder, error)
                continue
            for entry in entries:
                if entry.is_symlink() or (entry.name in _SKIPPED and depth == 0):
                    continue
                if not entry.is_dir(follow_symlinks=False):
                    self._file(entry.path, entry.name)
                    continue
                self._folder(entry.path, entry.name)
                if depth + 1 > self.bounds.max_depth:
                    self._limit(f"folders deeper than {self.bounds.max_depth} were not entered")
                elif self._same_device(entry, device) and entry.name not in (".git", "__pycache__"):
                    waiting.append((entry.path, depth + 1))

    def _counted(self, listing: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        for entry in listing:
            self._entries += 1
            if self._entries > self.bounds.max_entries:
                raise _Full(f"more than {self.bounds.max_entries} files and folders")
            if time.monotonic() > self._ends:
                raise _Full(f"it took more than {self.bounds.max_seconds:g} seconds")
            yield entry

    def _same_device(self, entry: os.DirEntry[str], device: int) -> bool:
        try:
            return entry.stat(follow_symlinks=False).st_dev == device
        except OSError as error:
            self._fault(entry.path, error)
            return False

    def _folder(self, path: str, name: str) -> None:
        if "pypi" in self.ecosystems and name.endswith(".dist-info"):
            self._python(path, os.path.join(path, "METADATA"))
        elif "pypi" in self.ecosystems and _EGG.fullmatch(name):
            self._python(path, os.path.join(path, "PKG-INFO"))

    def _file(self, path: str, name: str) -> None:
        if "maven" in self.ecosystems and name.lower().endswith(_ARCHIVES):
            if path not in self._owned:
                self._archive(path)
        elif "npm" in self.ecosystems and name == "package.json" and _is_installed_module(path):
            self._node(path)
        elif "pypi" in self.ecosystems and _EGG.fullmatch(name):
            self._python(path, path)

    # -- the ecosystems -------------------------------------------------------------------------------------------

    def _python(self, folder: str, metadata: str) -> None:
        if metadata in self._owned or folder in self._owned:
            return
        try:
            text = read_bounded(metadata, self.bounds.max_file_bytes).decode("utf-8", "replace")
        except FileNotFoundError:
            return  # what an uninstallation left behind
        except (OSError, ValueError) as error:
            self._fault(metadata, error)
            return
        fields = email.parser.HeaderParser().parsestr(text)
        self._add("pypi", fields.get("Name"), fields.get("Version"), os.path.dirname(folder), metadata)

    def _node(self, path: str) -> None:
        if path in self._owned:
            return
        try:
            found = json.loads(read_bounded(path, self.bounds.max_file_bytes))
        except (OSError, ValueError, RecursionError) as error:
            self._fault(path, error)
            return
        if not isinstance(found, dict) or "name" not in found or "version" not in found:
            return  # a folder's own marker, such as {"type": "module"}
        self._add("npm", found["name"], found["version"], os.path.dirname(path), path)

    def _archive(self, path: str) -> None:
        try:
            with open_regular(path) as file:
                if os.fstat(file.fileno()).st_size > self.bounds.max_archive_bytes:
                    raise ValueError(f"it is larger than {self.bounds.max_archive_bytes} bytes")
                self._zip(file, path, 0)
        except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
            self._fault(path, error)

    def _zip(self, file: Any, location: str, nested: int) -> None:
        with zipfile.ZipFile(file) as archive:
            for info in archive.infolist():
                self._entries += 1
                if self._entries > self.bounds.max_entries:
                    raise _Full(f"more than {self.bounds.max_entries} files and folders")
                if time.monotonic() > self._ends:
                    raise _Full(f"it took more than {self.bounds.max_seconds:g} seconds")
                place = f"{location}!/{info.filename}"
                if _POM.fullmatch(info.filename):
                    self._pom(_member(archive, info, self.bounds.max_file_bytes), location, place)
                elif info.filename.lower().endswith(_ARCHIVES):
                    if nested >= _MAX_NESTED:
                        self._limit(f"archives nested more than {_MAX_NESTED} deep were not entered")
                        continue
                    try:
                        inner = _member(archive, info, self.bounds.max_archive_bytes)
                        self._zip(io.BytesIO(inner), place, nested + 1)
                    except (ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
                        self._fault(place, error)

    def _pom(self, raw: bytes, location: str, place: str) -> None:
        found: dict[str, str] = {}
        for line in raw.decode("utf-8", "replace").splitlines():
            if not line.lstrip().startswith(("#", "!")):
                name, _, value = line.partition("=")
                found.setdefault(name.strip(), value.strip())
        group, artifact = found.get("groupId"), found.get("artifactId")
        name = f"{group}:{artifact}" if group and artifact else None
        self._add("maven", name, found.get("version"), location, place)

    def _rpm_databases(self) -> None:
        for folder in RPM_DATABASES:
            if os.path.islink(folder) or not any(os.path.exists(os.path.join(folder, name)) for name in _RPM_FILES):
                continue
            try:
                listed = rpm_list(folder, timeout=max(1.0, self._ends - time.monotonic()))
            except (OSError, subprocess.SubprocessError, ValueError) as error:
                self._limit(f"the rpm database {folder} could not be read ({type(error).__name__})")
                self._fault(folder, error)
                continue
            for package, release, source in listed:
                self._add("rpm", package, release, "", folder, source)

    # -- what is kept -----------------------------------------------------------------------------------------------

    def _add(self, kind: str, name: Any, version: Any, location: str, path: str, source: str | None = None) -> None:
        if not (_is_plain(name, _NAMES[kind]) and _is_plain(version, _MAX_VERSION)):
            self._fault(path, ValueError("it names no package and version that can be read"))
            return
        try:
            location.encode("utf-8")
        except UnicodeEncodeError:
            location = location.encode("utf-8", "replace").decode("utf-8")
        if len(location) > _MAX_LOCATION:
            location = f"{location[: _MAX_LOCATION - 1]}…"
        key = (kind, name, version, location)
        if key not in self._found and len(self._found) >= self.bounds.max_components:
            raise _Full(f"more than {self.bounds.max_components} components")
        self._found[key] = source

    def _limit(self, said: str) -> None:
        if said not in self.limits:
            self.limits.append(said)

    def _fault(self, path: str, error: BaseException) -> None:
        self.unreadable += 1
        if len(self.faults) < _FAULTS_KEPT:
            said = f"{path}: {type(error).__name__}: {error}"
            self.faults.append(said.encode("utf-8", "replace").decode("utf-8")[:500])


def owned_files(info: str = "/var/lib/dpkg/info") -> frozenset[str]:
    """The files of our kinds that dpkg or rpm has installed."""
    found: set[str] = set()
    try:
        names = [name for name in os.listdir(info) if name.endswith(".list")]
    except OSError:
        names = []
    for name in names:
        with open(os.path.join(info, name), encoding="utf-8", errors="surrogateescape") as file:
            found.update(line for line in file.read().splitlines() if _OWNED.search(line))
    for folder in RPM_DATABASES:
        if any(os.path.exists(os.path.join(folder, name)) for name in _RPM_FILES) and os.path.exists(RPM):
            try:
                output = _rpm(folder, "[%{FILENAMES}\\n]", timeout=60)
            except (OSError, subprocess.SubprocessError):
                continue
            found.update(line for line in output.splitlines() if _OWNED.search(line))
    return frozenset(found)


def rpm_list(folder: str, *, timeout: float) -> list[tuple[str, str, str | None]]:
    """(name, [epoch:]version-release, source package's file name or None) of each package of a database."""
    found = []
    for line in _rpm(folder, RPM_FORMAT, timeout=timeout).splitlines():
        fields = line.split("\t")
        if len(fields) != 3:
            raise ValueError("rpm answers in a form that is not the one asked for")
        if fields[0] != "gpg-pubkey":  # a key in rpm's database, not a package
            source = fields[2] if _SOURCE_RPM.fullmatch(fields[2]) else None
            found.append((fields[0], fields[1].removeprefix("0:"), source))
    return found


def _rpm(folder: str, form: str, *, timeout: float) -> str:
    argv = [RPM, "--dbpath", folder, "-qa", "--qf", form]
    clean = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}
    done = subprocess.run(argv, capture_output=True, check=True, timeout=timeout, env=clean, stdin=subprocess.DEVNULL)
    return done.stdout.decode("utf-8", "replace")


def open_regular(path: str) -> Any:
    """Open a file for reading, if it is a regular one: a pipe or a device would wait for ever. Raises OSError, ValueError."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise ValueError("it is no ordinary file")
    return os.fdopen(handle, "rb")


def read_bounded(path: str, most: int) -> bytes:
    """A regular file's content. Raises OSError, and ValueError for one that is larger or no regular file."""
    with open_regular(path) as file:
        content: bytes = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it is larger than {most} bytes")
    return content


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """One file of an archive; what it says of its size is not believed."""
    if info.file_size > most or info.file_size > max(info.compress_size, 1024) * _MAX_RATIO:
        raise ValueError(f"{info.filename[:200]}: it inflates to {info.file_size} bytes, too much or too many times its size")
    with archive.open(info) as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"{info.filename[:200]}: it is larger than {most} bytes")
    return content


def _is_installed_module(path: str) -> bool:
    """…/node_modules/name/package.json or …/node_modules/@scope/name/package.json: a module's own, none of its parts'."""
    parts = path.split("/")
    return parts[-3:-2] == ["node_modules"] or (parts[-4:-3] == ["node_modules"] and parts[-3].startswith("@"))


def _is_plain(text: Any, most: int) -> bool:
    """Printable ASCII, as every ecosystem's names and versions are."""
    return isinstance(text, str) and len(text) <= most and _ORDINARY_TEXT.fullmatch(text) is not None
