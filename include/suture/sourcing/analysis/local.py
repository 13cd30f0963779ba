"""Our own change log against an update: what was changed by hand on a campaign's hosts that the new packages would touch (2.2).

Three things stand on the hosts and in no vendor's notes: conffiles that somebody edited, packages on hold, pins of apt. They are
facts of the inventory (`include/playbooks/module_utils/suture_local.py`). The sentences are for those who approve.

What follows on a host: updates run with --force-confdef and --force-confold, so an edited conffile stays as it is, and the new
one lies beside it as .dpkg-dist; a package on hold is not updated; a pin decides which version apt takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from suture.sourcing.analysis.unreadable import shown
from suture.sourcing.examination import Examination
from suture.store import Store

_NAMED = 5  # hosts that a sentence names


class LocalKind(StrEnum):
    """What was changed by hand."""

    EDITED_CONFFILE = "edited_conffile"
    REMOVED_CONFFILE = "removed_conffile"
    HOLD = "hold"
    PIN = "pin"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class LocalChange:
    """One thing, with the hosts on which it is so. subject: path or package; hostile text, as all that hosts say."""

    kind: LocalKind
    subject: str
    package: str
    hosts: tuple[str, ...]
    sentence: str


def local_changes(store: Store, campaign_id: str, examinations: Iterable[Examination]) -> tuple[LocalChange, ...]:
    """What approvers should know before these packages go to this campaign's hosts; () when nothing was changed by hand.

    Takes the examinations of `notes`; of others nothing is needed. A host whose inventory does not tell is named as unknown.
    """
    rows = store.fetch_all("campaign/list_campaign_local_changes", {"campaign_id": campaign_id})
    found: dict[tuple[LocalKind, str, str, str], list[str]] = {}
    examined = {e.package: e for e in examinations if e.examiner == "notes"}
    for row in rows:
        if row["local_changes"] is None:
            found.setdefault((LocalKind.UNKNOWN, "", "", ""), []).append(row["host_id"])
        for key in _of_host(row["local_changes"] or {}, row["held"], examined):
            found.setdefault(key, []).append(row["host_id"])
    return tuple(
        LocalChange(kind, subject, package, tuple(hosts), _sentence(kind, subject, package, detail, hosts))
        for (kind, subject, package, detail), hosts in sorted(found.items())
    )


def _of_host(
    changes: Mapping[str, Any], held: Iterable[str], examined: Mapping[str, Examination]
) -> set[tuple[LocalKind, str, str, str]]:
    """(kind, subject, package, detail)"""
    found: set[tuple[LocalKind, str, str, str]] = set()
    for entry in changes.get("conffiles", []):
        examination = examined.get(entry["package"])
        if examination is None or entry["state"] == "unread":
            continue
        touched = examination.facts.get("conffiles", {})
        path = entry["path"].lstrip("/")
        what = next((change for change in ("changed", "removed") if path in touched.get(change, ())), None)
        if what is not None:
            kind = LocalKind.EDITED_CONFFILE if entry["state"] == "edited" else LocalKind.REMOVED_CONFFILE
            found.add((kind, entry["path"], entry["package"], f"{what} in {examination.version}"))
    for package in held:
        if package in examined:
            found.add((LocalKind.HOLD, package, package, examined[package].version))
    for pin in changes.get("pins", []):
        for package in examined:
            if _matches(pin["package"], package):
                found.add(
                    (LocalKind.PIN, package, package, f"{pin['pin']} with priority {pin['priority']} in {pin['file']}")
                )
    return found


def _matches(pattern: str, package: str) -> bool:
    """apt_preferences(5): a name, a glob, or a regular expression between slashes, which is not run but taken to match."""
    if pattern == "*":
        return False  # it is about sources, not about this package
    if re.fullmatch(r"/.*/", pattern):
        return True
    return fnmatchcase(package, pattern.partition(":")[0])


def _sentence(kind: LocalKind, subject: str, package: str, detail: str, hosts: list[str]) -> str:
    where = ", ".join(hosts[:_NAMED]) + (f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else "")
    match kind:
        case LocalKind.EDITED_CONFFILE:
            return (
                f"{shown(subject)} was edited on {where}, and it is {shown(detail)} of {shown(package)}: the edited one stays,"
                " the vendor's change does not take effect there."
            )
        case LocalKind.REMOVED_CONFFILE:
            return f"{shown(subject)} was deleted on {where}, and it is {shown(detail)} of {shown(package)}: it stays away."
        case LocalKind.HOLD:
            return f"{shown(package)} is on hold on {where}: apt will not bring {shown(detail)} there."
        case LocalKind.PIN:
            return f"{shown(package)} is pinned on {where}: {shown(detail)}."
        case LocalKind.UNKNOWN:
            return f"The inventory of {where} does not say what was changed there by hand: collect it again."
