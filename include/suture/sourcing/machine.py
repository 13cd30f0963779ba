"""The archive that this machine itself uses: read from its apt sources at run time, and never written anywhere.

Both formats of sources.list(5): one-line (`deb [option=value] URI suite component…`) and deb822
(`*.sources`). Disabled entries and sources of source packages (`deb-src`) are left out.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from suture.errors import BadInputError

APT_FOLDER = Path("/etc/apt")
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)(?P<components>.*)$")


@dataclass(frozen=True)
class MachineSource:
    """One (URI, suite) pair. signed_by: keyring file or fingerprints as written; None: apt's default keyrings."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str | None
    origin_file: Path


def machine_sources(folder: Path = APT_FOLDER) -> list[MachineSource]:
    """All enabled binary sources of sources.list and sources.list.d, in apt's order. [] when there is none."""
    found: list[MachineSource] = []
    for path in _files(folder):
        text = path.read_text("utf-8", errors="replace")
        found.extend(_deb822(text, path) if path.suffix == ".sources" else _one_line(text, path))
    return found


def address_of_suite(suite: str, *, folder: Path = APT_FOLDER) -> str:
    """The URI of the first enabled source of that suite. Raises BadInputError when the machine has none."""
    known = machine_sources(folder)
    for source in known:
        if source.suite == suite:
            return source.uri
    raise BadInputError(
        f"This machine's apt sources name no suite {suite!r}; they name "
        f"{', '.join(sorted({source.suite for source in known})) or 'none at all'}.",
        remedy="Add the suite to the machine's apt sources, or give the source an address in sources.yaml.",
    )


def _files(folder: Path) -> Iterator[Path]:
    main = folder / "sources.list"
    if main.is_file():
        yield main
    parts = folder / "sources.list.d"
    if parts.is_dir():
        yield from sorted(p for p in parts.iterdir() if p.suffix in {".list", ".sources"} and p.is_file())


def _one_line(text: str, path: Path) -> Iterator[MachineSource]:
    for raw in text.splitlines():
        match = _ONE_LINE.match(raw.partition("#")[0].strip())
        if match is None:
            continue
        options = dict(pair.partition("=")[::2] for pair in shlex.split(match["options"] or ""))
        yield MachineSource(
            match["uri"], match["suite"], tuple(match["components"].split()), options.get("signed-by"), path
        )


def _deb822(text: str, path: Path) -> Iterator[MachineSource]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = _fields(stanza)
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                components = tuple(fields.get("components", "").split())
                yield MachineSource(uri, suite, components, fields.get("signed-by"), path)


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in {" ", "\t"} and name:
            fields[name] += "\n" + line.strip()
        elif ":" in line:
            name, value = (part.strip() for part in line.split(":", 1))
            name = name.lower()
            fields[name] = value
    return fields
