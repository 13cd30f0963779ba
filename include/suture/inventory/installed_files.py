"""What a host has installed, from files alone: no database, no network.

Forms, told apart by what they hold (or named by the caller):

- dpkg: dpkg's status file (/var/lib/dpkg/status), or tab-separated lines: package, version, and, where they differ, source
  package and source version, as `dpkg-query -W -f '${Package}\\t${Version}\\t${source:Package}\\t${source:Version}\\n'`.
- rpm: `rpm -qa` (name-version-release.arch), or tab-separated lines of name, [epoch:]version-release and, where it is
  known, the source package's file name: `rpm -qa --qf '%{NAME}\\t%{EPOCHNUM}:%{VERSION}-%{RELEASE}\\t%{SOURCERPM}\\n'`.
- pip: `pip freeze` (name==version); lines that name no version (editable, from a URL) are said, not guessed.
- purl: a package URL a line.
- cyclonedx: CycloneDX JSON (ECMA-424): the components' purls, nested ones as well.

Packages of other ecosystems, and components without a purl or version, are left out, and named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from suture.errors import BadInputError
from suture.inventory.purl import BadPurlError, NamedPackage, pypi_name, read_purl

FORMS = ("dpkg", "rpm", "pip", "purl", "cyclonedx")
MAX_DEPTH = 40
_FIELD = re.compile(r"^(Package|Status|Version|Source):[ \t]*(.*)$", re.MULTILINE)
_SOURCE = re.compile(r"(\S+)(?:\s+\(([^)\s]+)\))?")
_NOT_INSTALLED = frozenset({"not-installed", "config-files"})
_NEVRA = re.compile(r"([^\s]+)-([^-\s]+-[^-\s]+)\.(?:x86_64|noarch|aarch64|i[3-6]86|ppc64le|s390x|armv7hl|riscv64|src)")
_SOURCE_RPM = re.compile(r"(.+)-([^-]+-[^-]+)\.src\.rpm")
_PINNED = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(?:\[[^\]]*\])?\s*===?\s*([^\s;#]+)\s*(?:;.*)?(?:#.*)?")


@dataclass(frozen=True)
class InstalledPackage:
    """codename: '' where the file does not say; os_id: None where it names no distribution; location: where on the host it
    lies, '' where that is not said."""

    package: str
    version: str
    source_package: str
    source_version: str
    ecosystem: str = "deb"
    codename: str = ""
    os_id: str | None = None
    location: str = ""


@dataclass(frozen=True)
class InstalledList:
    """left_out: a sentence for each entry that names nothing that can be matched."""

    packages: list[InstalledPackage]
    left_out: list[str]


def read_installed(text: str, *, where: str, form: str | None = None) -> InstalledList:
    """form: one of FORMS, None to tell by the text. Raises BadInputError with the line or stanza that is in no form."""
    if "\0" in text:
        raise BadInputError(f"{where}: it holds a NUL character, and is no list of packages.")
    found = form or _form_of(text)
    left_out: list[str] = []
    readers = {"rpm": _from_rpm, "pip": _from_pip, "purl": _from_purls, "cyclonedx": _from_cyclonedx}
    if found in readers:
        return InstalledList(list(readers[found](text, where, left_out)), left_out)
    if re.search(r"^Package:", text, re.MULTILINE):
        return InstalledList(list(_from_status(text, where)), left_out)
    return InstalledList(list(_from_lines(text, where)), left_out)


def _form_of(text: str) -> str:
    if text.lstrip()[:1] == "{":
        return "cyclonedx"
    line = next((line for line in text.splitlines() if line.strip() and not line.startswith("#")), "")
    if line.startswith("pkg:"):
        return "purl"
    if "\t" not in line and (_PINNED.fullmatch(line.strip()) or line.startswith("-e ") or " @ " in line):
        return "pip"
    if _NEVRA.fullmatch(line.strip()) or line.endswith(".src.rpm"):
        return "rpm"
    return "dpkg"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def _from_rpm(text: str, where: str, left_out: list[str]) -> Iterator[InstalledPackage]:
    for number, line in _lines(text):
        fields = line.split("\t")
        match = _NEVRA.fullmatch(line.strip())
        if match is not None and len(fields) == 1:
            fields = [match[1], match[2]]
        if len(fields) not in (2, 3) or not all(field.strip() for field in fields[:2]):
            raise BadInputError(
                f"{where}, line {number}: {line[:80]!r} is no package of rpm; it takes name-version-release.arch, or name, "
                "[epoch:]version-release and source file name separated by tabs."
            )
        name, version = fields[0], fields[1].removeprefix("(none):").removeprefix("0:")
        if name == "gpg-pubkey":
            continue  # a key in rpm's database, not a package
        source = _SOURCE_RPM.fullmatch(fields[2].strip()) if len(fields) == 3 else None
        if len(fields) == 2:
            left_out.append(f"{where}, line {number}: {name} is taken for its own source package: none is named.")
        yield InstalledPackage(name, version, source[1] if source else name, version, "rpm")


def _from_pip(text: str, where: str, left_out: list[str]) -> Iterator[InstalledPackage]:
    for number, line in _lines(text):
        match = _PINNED.fullmatch(line.strip())
        if match is None:
            left_out.append(f"{where}, line {number}: {line.strip()[:80]!r} names no released version.")
            continue
        name = pypi_name(match[1])
        yield InstalledPackage(name, match[2], name, match[2], "pypi")


def _from_purls(text: str, where: str, left_out: list[str]) -> Iterator[InstalledPackage]:
    for number, line in _lines(text):
        yield from _of_purl(line.strip(), f"{where}, line {number}", left_out)


def _from_cyclonedx(text: str, where: str, left_out: list[str]) -> Iterator[InstalledPackage]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{where} is no JSON document: {str(error)[:200]}.") from error
    if not isinstance(document, dict) or document.get("bomFormat") != "CycloneDX":
        raise BadInputError(f"{where} is JSON, but no CycloneDX document (`bomFormat`).")
    seen: set[InstalledPackage] = set()
    for path, component in _components(document.get("components"), "components", where, 0):
        purl = component.get("purl")
        if not isinstance(purl, str):
            left_out.append(f"{where}, {path}: {str(component.get('name'))[:80]!r} has no purl.")
            continue
        for package in _of_purl(purl, f"{where}, {path}", left_out):
            if package not in seen:
                seen.add(package)
                yield package


def _components(found: Any, path: str, where: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if found is None:
        return
    if not isinstance(found, list) or depth > MAX_DEPTH:
        raise BadInputError(f"{where}, {path[:80]}: it is no list of components, or nested more than {MAX_DEPTH} deep.")
    for number, component in enumerate(found):
        place = f"{path}[{number}]"
        if not isinstance(component, dict):
            raise BadInputError(f"{where}, {place[:80]}: it is no component.")
        yield place, component
        yield from _components(component.get("components"), f"{place}.components", where, depth + 1)


def _of_purl(text: str, place: str, left_out: list[str]) -> Iterator[InstalledPackage]:
    try:
        found: NamedPackage = read_purl(text)
    except BadPurlError as error:
        left_out.append(f"{place}: {error.message}")
        return
    if found.version is None:
        left_out.append(f"{place}: {text[:80]!r} names no version.")
        return
    yield InstalledPackage(
        found.name, found.version, found.source_name, found.source_version or found.version, found.ecosystem,
        found.codename, found.os_id,
    )  # fmt: skip


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
