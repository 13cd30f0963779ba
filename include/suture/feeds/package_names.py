"""What vendors call packages and releases, in the words that the warehouse uses.

The rules:

1. An ecosystem is one of deb, rpm, pypi, npm, maven. What is none of them is left out with its reason, never guessed.
2. A package is named as its own world compares names: PEP 503 for PyPI (lower case, one `-` for each run of `-_.`),
   @scope/name for npm, group:artifact for Maven, the source package for deb and rpm.
3. A distribution's release is its code name (bookworm, jammy), as /etc/os-release says it; for Red Hat's products, which
   have none, el<major> for enterprise_linux, and <product>-<version> for their support streams.
4. An RPM version is [epoch:]version-release; an epoch of 0 is not written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from packageurl import PackageURL

DEBIAN_RELEASES: Mapping[str, str] = {
    "3.1": "sarge", "4": "etch", "5": "lenny", "6": "squeeze", "7": "wheezy", "8": "jessie", "9": "stretch",
    "10": "buster", "11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky", "15": "duke",
}  # fmt: skip
UBUNTU_RELEASES: Mapping[str, str] = {
    "12.04": "precise", "14.04": "trusty", "16.04": "xenial", "16.10": "yakkety", "17.04": "zesty", "17.10": "artful",
    "18.04": "bionic", "18.10": "cosmic", "19.04": "disco", "19.10": "eoan", "20.04": "focal", "20.10": "groovy",
    "21.04": "hirsute", "21.10": "impish", "22.04": "jammy", "22.10": "kinetic", "23.04": "lunar", "23.10": "mantic",
    "24.04": "noble", "24.10": "oracular", "25.04": "plucky", "25.10": "questing", "26.04": "resolute",
}  # fmt: skip
CODENAMES = frozenset({*DEBIAN_RELEASES.values(), *UBUNTU_RELEASES.values(), "sid"})
DEB_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]{1,200}")
DEB_VERSION = re.compile(r"(?:[0-9]{1,10}:)?[0-9A-Za-z][A-Za-z0-9.+~:-]{0,200}")
_NAMES: Mapping[str, re.Pattern[str]] = {
    "deb": DEB_NAME,
    "rpm": re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,200}"),
    "pypi": re.compile(r"[a-z0-9](?:[a-z0-9-]{0,200}[a-z0-9])?"),
    "npm": re.compile(r"(?:@[A-Za-z0-9~_.-]{1,100}/)?[A-Za-z0-9~_.-]{1,214}"),
    "maven": re.compile(r"[A-Za-z0-9_.-]{1,200}:[A-Za-z0-9_.-]{1,200}"),
}
_PRINTABLE = re.compile(r"[\x21-\x7e]{1,200}")
_CPE = re.compile(r"cpe:(?:/|2\.3:)[aoh]:redhat:([a-z0-9_]+):([0-9]+(?:\.[0-9]+)*)")


@dataclass(frozen=True)
class Part:
    """A package that a statement is about. version: None when every version is meant; codename: '' for any release;
    is_source: a source package (or one of an ecosystem that has no other); architecture: None when not given;
    module: an rpm module's name:stream, '' for none."""

    ecosystem: str
    package: str
    version: str | None
    codename: str
    is_source: bool
    architecture: str | None = None
    module: str = ""


class UnknownEcosystemError(ValueError):
    """Packages of a world that Suture does not match."""


def part_of(purl: str) -> Part:
    """The package that a purl names. Raises UnknownEcosystemError, and ValueError for what is no purl or no such name."""
    if len(purl) > 1000 or not purl.isprintable():
        raise ValueError("its purl is too long or holds control characters")
    found = PackageURL.from_string(purl)
    if found.type not in _NAMES:
        raise UnknownEcosystemError(f"packages of type {found.type[:40]!r} are not matched")
    qualifiers = found.qualifiers if isinstance(found.qualifiers, dict) else {}
    namespace, version = found.namespace or "", found.version
    name = package_name(
        found.type,
        {"npm": f"{namespace}/", "maven": f"{namespace}:"}.get(found.type, "") * bool(namespace) + found.name,
    )
    if found.type == "rpm" and version and qualifiers.get("epoch", "0") != "0":
        version = f"{qualifiers['epoch']}:{version}"
    architecture = qualifiers.get("arch")
    return Part(
        ecosystem=found.type,
        package=name,
        version=checked_version(found.type, version) if version else None,
        codename=_distro(qualifiers.get("distro", "")),
        is_source=architecture in ("src", "source") or found.type not in ("deb", "rpm"),
        architecture=architecture,
        module=":".join(qualifiers.get("rpmmod", "").split(":")[:2]),
    )


def package_name(ecosystem: str, name: str) -> str:
    """The name as the ecosystem compares it. Raises ValueError when it can be none of it."""
    found = re.sub(r"[-_.]+", "-", name).lower() if ecosystem == "pypi" else name
    if not _NAMES[ecosystem].fullmatch(found):
        raise ValueError(f"{name[:80]!r} is no {ecosystem} package's name")
    return found


def checked_version(ecosystem: str, version: str) -> str:
    """The version, free of blanks and of what no version holds. Raises ValueError."""
    if not (DEB_VERSION if ecosystem == "deb" else _PRINTABLE).fullmatch(version):
        raise ValueError(f"{version[:80]!r} is no {ecosystem} version")
    return version


def osv_ecosystem(name: str) -> tuple[str, str, str]:
    """(ecosystem, code name or '', rest) of an OSV ecosystem such as Debian:12 or Ubuntu:Pro:22.04:LTS.

    rest: 'Pro' or what else stands between. Raises UnknownEcosystemError with the reason.
    """
    head, *rest = name.split(":")
    if head in ("PyPI", "npm", "Maven"):
        return head.lower(), "", ":".join(rest)
    if head not in ("Debian", "Ubuntu"):
        why = "no version order of its own here" if head == "Alpine" else "not an ecosystem that is matched"
        raise UnknownEcosystemError(f"packages of {name[:60]!r} are left out: {why}")
    known = DEBIAN_RELEASES if head == "Debian" else UBUNTU_RELEASES
    numbers = [word for word in rest if re.fullmatch(r"[0-9.]+", word)]
    if not numbers:
        if rest and rest != ["sid"]:
            raise UnknownEcosystemError(f"packages of {name[:60]!r} are left out: it names no release")
        return "deb", "sid" if rest else "", ""
    if len(numbers) > 1 or numbers[0] not in known:
        raise UnknownEcosystemError(f"packages of {name[:60]!r} are left out: no release of that number is known")
    return "deb", known[numbers[0]], ":".join(word for word in rest if word not in (numbers[0], "LTS"))


def red_hat_release(cpe: str) -> str | None:
    """el9 for cpe:/o:redhat:enterprise_linux:9::baseos, rhel_eus-9.2 for a support stream; None for no Red Hat release."""
    found = _CPE.match(unquote(cpe))
    if found is None:
        return None
    product, version = found.groups()
    return f"el{version.split('.')[0]}" if product == "enterprise_linux" else f"{product}-{version}"


def _distro(text: str) -> str:
    """The code name that a purl's `distro` gives (bookworm, debian-12, ubuntu-22.04, el9); '' for none that is known."""
    word = text.lower()
    if word in CODENAMES or re.fullmatch(r"el[0-9]{1,2}", word):
        return word
    vendor, _, number = word.partition("-")
    if vendor in ("debian", "ubuntu"):
        known = DEBIAN_RELEASES if vendor == "debian" else UBUNTU_RELEASES
        return known.get(number, known.get(number.partition(".")[0], number if number in CODENAMES else ""))
    return ""
