"""Matching on files: what a host has installed, as it says itself, against advisories. No database, no network.

Packages come as dpkg's status file (/var/lib/dpkg/status), or as tab-separated lines: package, version, and, where they
differ, source package and source version, as `dpkg-query -W -f '${Package}\\t${Version}\\t${source:Package}\\t
${source:Version}\\n'` prints them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from suture.errors import BadInputError
from suture.inventory.debian_version import BadVersionError, sort_key

_FIELD = re.compile(r"^(Package|Status|Version|Source):[ \t]*(.*)$", re.MULTILINE)
_SOURCE = re.compile(r"(\S+)(?:\s+\(([^)\s]+)\))?")
_NOT_INSTALLED = frozenset({"not-installed", "config-files"})


@dataclass(frozen=True)
class InstalledPackage:
    package: str
    version: str
    source_package: str
    source_version: str


@dataclass(frozen=True)
class FixedSource:
    """An advisory as matching needs it."""

    advisory_id: str
    source_package: str
    fixed_version: str
    cves: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileFinding:
    """One advisory open on the host whose packages were read; packages: the installed binaries that are behind."""

    advisory_id: str
    source_package: str
    installed_version: str
    fixed_version: str
    packages: tuple[str, ...]
    cves: tuple[str, ...]


def read_installed(text: str, *, where: str) -> list[InstalledPackage]:
    """What is installed. Raises BadInputError, with the line or the stanza, for what is neither of the two forms."""
    if re.search(r"^Package:", text, re.MULTILINE):
        return list(_from_status(text, where))
    return list(_from_lines(text, where))


def match_installed(
    installed: Iterable[InstalledPackage], advisories: Iterable[FixedSource]
) -> tuple[list[FileFinding], list[str]]:
    """(what is open, in the order of the advisories; what could not be compared, a sentence each).

    The rules are those of matching in the warehouse: exact Debian order, by source package.
    """
    by_source: dict[str, list[InstalledPackage]] = defaultdict(list)
    for package in installed:
        by_source[package.source_package].append(package)
    findings: list[FileFinding] = []
    uncertain: dict[str, None] = {}
    for advisory in advisories:
        behind = list(_behind(by_source.get(advisory.source_package, ()), advisory, uncertain))
        if behind:
            findings.append(
                FileFinding(
                    advisory_id=advisory.advisory_id,
                    source_package=advisory.source_package,
                    installed_version=min((p.source_version for p in behind), key=sort_key),
                    fixed_version=advisory.fixed_version,
                    packages=tuple(sorted({p.package for p in behind})),
                    cves=advisory.cves,
                )
            )
    return findings, list(uncertain)


def _behind(
    packages: Sequence[InstalledPackage], advisory: FixedSource, uncertain: dict[str, None]
) -> Iterator[InstalledPackage]:
    for package in packages:
        try:
            if sort_key(package.source_version) < sort_key(advisory.fixed_version):
                yield package
        except BadVersionError as error:
            uncertain[f"{package.package}: {error.message}"] = None


def _from_status(text: str, where: str) -> Iterator[InstalledPackage]:
    for number, stanza in enumerate(text.replace("\r\n", "\n").split("\n\n"), start=1):
        fields = dict(_FIELD.findall(stanza))
        if not fields:
            if stanza.strip():
                raise BadInputError(f"{where}: stanza {number} is no package: {stanza.strip()[:60]!r}.")
            continue
        words = fields.get("Status", "install ok installed").split()
        if not words or words[-1] in _NOT_INSTALLED:
            continue
        if "Package" not in fields or "Version" not in fields:
            raise BadInputError(f"{where}: stanza {number} has no Package or no Version.")
        source, version = fields["Package"], fields["Version"]
        if "Source" in fields:
            match = _SOURCE.fullmatch(fields["Source"].strip())
            if match is None:
                raise BadInputError(f"{where}: the Source of {fields['Package']} cannot be read: {fields['Source']!r}.")
            source, version = match[1], match[2] or fields["Version"]
        yield InstalledPackage(fields["Package"], fields["Version"], source, version)


def _from_lines(text: str, where: str) -> Iterator[InstalledPackage]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) not in (2, 4) or not all(field.strip() for field in fields[:2]):
            raise BadInputError(
                f"{where}, line {number}: {len(fields)} tab-separated fields; it takes package and version, or those "
                "and source package and source version."
            )
        package, version = fields[0], fields[1]
        source, source_version = (
            (fields[2] or package, fields[3] or version) if len(fields) == 4 else (package, version)
        )
        yield InstalledPackage(package.partition(":")[0], version, source, source_version)
