"""The wording of notes: what an item must speak of before it declares a change, and by which words it may name one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from suture.sourcing.analysis.places import Place
from suture.sourcing.analysis.scripts import Deed

_ADDS = r"\b(?:add|ship|install|introduc|enabl|new|provid|creat|drop|remov|us|mov|chang|updat|fix|set|mak|restor|allow|deny|den)\w*\b"
SETUID = re.compile(
    r"\bset-?[ug]id\b|\bs[ug]id\b|\b0[246][0-7]{3}\b|\b(?:mode|chmod|permissions?)\b[^.]{0,20}\b[246][0-7]{3}\b|\bset-user-id\b"
)
CAPABILITY = re.compile(r"\bcapabilit|\bsetcap\b|\bcap_")
_NETWORK = re.compile(r"\bdownload|\bfetch|\bretriev|\bcurl\b|\bwget\b|\bnetwork (?:access|connection|call)")
_SCHEDULE = re.compile(r"\bcron|\btimers?\b|\bschedul|\bperiodic")
_PRIVILEGE = re.compile(
    r"\bsudo|\bpolkit|\bpolicykit|\bpam\b|\bd-?bus\b|\bsysusers|\bapparmor|\bssh|\bselinux|\bsecurity\.conf|\bpolicy\b"
)
_PACKAGES = re.compile(r"\bapt\b|\bdpkg|\bkeyring|\bkeys?\b|\bsources?\b|\bneedrestart|\brepositor")
_LOADER = re.compile(r"\bld\.so|\bpreload|\bloader\b|\blibrary path|\bldconfig")
SCRIPT = r"\b(?:maintainer scripts?|maintscripts?|dpkg-maintscript-helper|debconf|debhelper|dh_\w+)\b"
_NAME = re.compile(r"[a-z0-9][A-Z]|\w[_./-]\w|^/|\d")
_COMMON = re.compile(r"[\d.]+|/usr/share|/dev/null|maintscript-helper|/usr/bin|/bin/sh")
_TRANSLATION = re.compile(r"<\w+ xml:lang=|^\s*\w+\[\w+(@\w+)?\]\s*=|^\s*(description|message)\[")
ABOUT: dict[Place, re.Pattern[str]] = {
    Place.SCHEDULE: _SCHEDULE,
    Place.PRIVILEGE: _PRIVILEGE,
    Place.PACKAGE_MANAGER: _PACKAGES,
    Place.LOADER: _LOADER,
}
KIND_OF: dict[Place, str] = {
    Place.LOADER: "undeclared_loader_file",
    Place.SCHEDULE: "undeclared_scheduled_task",
    Place.PRIVILEGE: "undeclared_privilege_file",
    Place.PACKAGE_MANAGER: "undeclared_package_configuration",
    Place.UNIT: "undeclared_unit",
    Place.HOOK: "undeclared_hook",
    Place.SYSTEM: "undeclared_system_file",
}
KIND_OF_DEED: dict[Deed, tuple[str, re.Pattern[str]]] = {
    Deed.NETWORK: ("undeclared_network_in_script", _NETWORK),
    Deed.SETUID: ("undeclared_setuid", SETUID),
    Deed.CAPABILITY: ("undeclared_capability", CAPABILITY),
    Deed.LOADER: ("undeclared_loader_file", _LOADER),
    Deed.SCHEDULE: ("undeclared_scheduled_task", _SCHEDULE),
    Deed.PRIVILEGE: ("undeclared_privilege_file", re.compile(f"{_PRIVILEGE.pattern}|{_PACKAGES.pattern}")),
    Deed.OBFUSCATION: ("undeclared_obfuscation", re.compile(r"\bbase64|\beval|\bdecod|\bescap")),
    Deed.ACCOUNT: ("undeclared_account", re.compile(r"\busers?\b|\bgroups?\b|\baccounts?\b")),
}


def path_words(path: str) -> tuple[str, ...]:
    """What a note may call it: its path, its name, and a certificate's name as it is written out."""
    name = path.rpartition("/")[2]
    spoken = name.rpartition(".")[0].replace("_", " ").replace(":", ".")
    return (path, f"/{path}", name, *([spoken] if " " in spoken and len(spoken) > 7 else []))


def says_it_adds(place: Place) -> re.Pattern[str] | None:
    """What an item must say to declare a new task or unit without its name; None where the name is asked for."""
    if place is Place.SCHEDULE:
        return re.compile(rf"{_ADDS}[^.]{{0,60}}\b(?:cron ?jobs?|crontabs?|cron\.\w+|timers?)\b")
    if place is Place.UNIT:
        what = r"\b(?:systemd|unit|service|socket|init|autostart)\b[^.]{0,20}\b(?:files?|units?|scripts?)\b"
        return re.compile(rf"{_ADDS}[^.]{{0,60}}{what}")
    return None


def script_says(about: re.Pattern[str]) -> re.Pattern[str]:
    """An item that speaks of maintainer scripts and of the thing."""
    return re.compile(rf"(?=.*{SCRIPT})(?=.*(?:{about.pattern}))")


def telling(lines: Iterable[str]) -> tuple[str, ...]:
    """Names out of added lines that say something when a note uses them too: settings, paths, identifiers; no plain words."""
    words: dict[str, None] = {}
    for line in lines:
        if line.startswith("+"):
            words.update(dict.fromkeys(word.rstrip(".,;:") for word in re.findall(r"[\w./-]{6,80}", line)))
            if setting := re.match(r"\+\s*([\w.-]{4,60})\s*[=:]", line):
                words[setting[1]] = None
    return tuple(word for word in words if _NAME.search(word) and not _COMMON.fullmatch(word))[:100]


def says_nothing(lines: Sequence[str]) -> bool:
    """Only comments, blank lines, translations and the package's own version differ."""
    rest = [line[1:].strip() for line in lines]
    return all(
        not line or line.startswith(("#", ";", "//", "<!--", "*", "--")) or _TRANSLATION.search(line) for line in rest
    )
