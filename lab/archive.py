"""The machine's own apt sources: where the base comes from, and which addresses the gateway may fetch from.

No archive address stands in this project: they are read from /etc/apt. Both styles are understood (one-line and
deb822), and `mirror+file:` lists (cloud images).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import MachineUnfitError

APT = Path("/etc/apt")
ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>.*)$")


@dataclass(frozen=True)
class Source:
    """One suite of one archive. `signed_by` is a keyring file's path, or None for apt's trusted keys."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str | None


@dataclass(frozen=True)
class Archive:
    """The distribution of this machine: `main` is the point release; `security` None when the machine has none."""

    distribution: str
    codename: str
    main: Source
    security: Source | None
    allowed_hosts: frozenset[str]


def read(apt: Path = APT, os_release: Path = Path("/etc/os-release")) -> Archive:
    """The archive that the machine's sources name. Raises MachineUnfitError when it has no main suite over HTTP."""
    release = {
        name: value.strip().strip('"')
        for name, _, value in (line.partition("=") for line in os_release.read_text("utf-8").splitlines())
        if name
    }
    codename, distribution = release.get("VERSION_CODENAME", ""), release.get("ID", "")
    sources = [found for found in parse_folder(apt) if found.uri.startswith(("http://", "https://"))]
    main = _pick(sources, codename)
    if main is None or not codename:
        raise MachineUnfitError(
            f"The apt sources in {apt} name no suite {codename or '(unknown codename)'!r} with component main over HTTP.",
            remedy="The lab builds its hosts from the machine's own distribution: add its main suite to /etc/apt.",
        )
    security = _pick(sources, f"{codename}-security")
    found = [main] if security is None else [main, security]
    hosts = frozenset(urlsplit(source.uri).hostname or "" for source in found)
    return Archive(distribution, codename, main, security, hosts)


def parse_folder(apt: Path) -> list[Source]:
    """All enabled binary sources of an apt folder, one per suite."""
    files = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    found = [source for path in files if path.is_file() for source in parse_one_line(path.read_text("utf-8"))]
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        found += parse_deb822(path.read_text("utf-8"))
    return [replace(source, uri=_resolve_mirror(source.uri)) for source in found]


def parse_one_line(text: str) -> list[Source]:
    found = []
    for line in text.splitlines():
        match = ONE_LINE.match(line.split("#", 1)[0].strip())
        if match is None:
            continue
        options = dict(option.partition("=")[::2] for option in (match["options"] or "").split())
        found.append(Source(match["uri"], match["suite"], tuple(match["components"].split()), options.get("signed-by")))
    return found


def parse_deb822(text: str) -> list[Source]:
    """An embedded key (a Signed-By of several lines) becomes None: apt's own keyrings must then do."""
    found = []
    for stanza in re.split(r"\n\s*\n", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace():
                fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
            elif ":" in line:
                name, _, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        signed_by = fields.get("signed-by", "")
        keyring = signed_by if signed_by.startswith("/") else None
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                found.append(Source(uri, suite, tuple(fields.get("components", "").split()), keyring))
    return found


def keyring_of(source: Source) -> Path:
    """The keys that sign the source. Raises MachineUnfitError when none can be found."""
    named = [Path(source.signed_by)] if source.signed_by else []
    for path in [*named, *sorted(Path("/usr/share/keyrings").glob("*-archive-keyring.*"))]:
        if path.is_file() and (path in named or path.stem.split("-")[0] in ("debian", "ubuntu")):
            return path
    raise MachineUnfitError(
        "No keyring of the distribution's archive was found in /usr/share/keyrings.",
        remedy="Install debian-archive-keyring (Ubuntu: ubuntu-keyring).",
    )


def _pick(sources: list[Source], suite: str) -> Source | None:
    fitting = (source for source in sources if source.suite == suite and "main" in source.components)
    found = next(fitting, None)
    return None if found is None else replace(found, uri=found.uri.rstrip("/"))


def _resolve_mirror(uri: str) -> str:
    """`mirror+file:/path` → the first address in that list."""
    if not uri.startswith("mirror+file:"):
        return uri
    try:
        lines = Path(uri.removeprefix("mirror+file:")).read_text("utf-8").splitlines()
    except OSError:
        return uri
    return next((line.split()[0] for line in lines if line.strip() and not line.startswith("#")), uri)
