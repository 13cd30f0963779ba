"""Package URLs (purl, ECMA-427), read as the package they name in the words of the warehouse.

The rules:

1. Only the ecosystems with a version order here are read: deb, rpm, pypi, npm, maven. Others are named, never guessed.
2. Names are as their world compares them: PEP 503 for PyPI, @scope/name for npm, group:artifact for Maven.
3. deb and rpm: the namespace is the distribution (debian, redhat), `distro` its release, `epoch` goes before the version;
   `upstream` (name, or name@version) names the source package of a binary one, and `arch=source` or `src` says that the
   purl names a source package itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from packageurl import PackageURL

from suture.errors import BadInputError
from suture.inventory.versions import ECOSYSTEMS

MAX_LENGTH = 4_000
_DEBIAN = {"10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky"}
_UBUNTU = {"18.04": "bionic", "20.04": "focal", "22.04": "jammy", "24.04": "noble", "26.04": "resolute"}


class BadPurlError(BadInputError):
    """A text that is no purl, or one without what is needed of it."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{text[:200]!r} cannot be used as a package URL: {why}.")


class OtherEcosystemError(BadPurlError):
    """A purl of packages that are not matched here."""


@dataclass(frozen=True)
class NamedPackage:
    """What a purl names. version: None when it names none. codename: '' for none; os_id: None for no distribution."""

    ecosystem: str
    name: str
    version: str | None
    source_name: str
    source_version: str | None
    codename: str
    os_id: str | None


def read_purl(text: str) -> NamedPackage:
    """Raises BadPurlError, and OtherEcosystemError for a type without a version order here."""
    if len(text) > MAX_LENGTH or not text.isascii() or not text.isprintable() or " " in text:
        raise BadPurlError(text, f"it is longer than {MAX_LENGTH} characters, or holds blanks or control characters")
    try:
        found = PackageURL.from_string(text)
    except ValueError as error:
        raise BadPurlError(text, str(error).rstrip(".")) from error
    if found.type not in ECOSYSTEMS:
        raise OtherEcosystemError(text, f"packages of type {found.type[:40]!r} have no version order here")
    qualifiers = found.qualifiers if isinstance(found.qualifiers, dict) else {}
    name, version, namespace = found.name, found.version, found.namespace or ""
    if found.type == "pypi":
        name = pypi_name(name)
    elif found.type == "npm" and namespace:
        name = f"{namespace}/{name}"
    elif found.type == "maven":
        if not namespace:
            raise BadPurlError(text, "a Maven package needs its group")
        name = f"{namespace}:{name}"
    elif found.type == "rpm" and version and qualifiers.get("epoch", "0") != "0":
        version = f"{qualifiers['epoch']}:{version}"
    source_name, source_version = _source(found.type, name, version, qualifiers)
    distribution = found.type in ("deb", "rpm")
    return NamedPackage(
        found.type, name, version, source_name, source_version,
        _codename(qualifiers.get("distro", "")) if distribution else "", namespace or None if distribution else None,
    )  # fmt: skip


def pypi_name(name: str) -> str:
    """PEP 503: lower case, one `-` for each run of `-`, `_` and `.`."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _source(kind: str, name: str, version: str | None, qualifiers: Mapping[str, str]) -> tuple[str, str | None]:
    upstream = qualifiers.get("upstream", "")
    if kind not in ("deb", "rpm") or not upstream:
        return name, version
    if upstream.endswith(".src.rpm"):
        found = re.fullmatch(r"(.+)-([^-]+-[^-]+)\.src\.rpm", upstream)
        return (found[1], version) if found else (name, version)
    source, _at, source_version = upstream.partition("@")
    return source or name, source_version or version


def _codename(distro: str) -> str:
    """bookworm for debian-12, jammy for ubuntu-22.04, el9 for rhel-9.4; a code name for itself; '' for what is unknown."""
    family, _hyphen, release = distro.lower().partition("-")
    if family == "debian":
        return _DEBIAN.get(release.partition(".")[0], release if release.isalpha() else "")
    if family == "ubuntu":
        return _UBUNTU.get(release, release if release.isalpha() else "")
    if family in ("rhel", "redhat", "centos", "rocky", "almalinux"):
        return f"el{release.partition('.')[0]}" if release else ""
    return family if family.isalpha() and not release else ""
