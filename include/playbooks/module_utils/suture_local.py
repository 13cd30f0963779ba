"""What people changed on this host against what its packages brought: edited conffiles, and pins of apt.

Conffiles are compared as `dpkg --verify` does: the md5 that dpkg noted when it wrote the file against the file as it is. Bounded:
a host with thousands of edits still answers.
"""

from __future__ import annotations

import glob
import hashlib
import os
from typing import Any

from ansible.module_utils import suture_host as host

MOST = 1000
LARGEST_BYTES = 16 * 1024 * 1024
CONFFILES = "${db:Status-Abbrev}\t${Package}\n${Conffiles}\n"  # what edited_conffiles reads, for dpkg-query
OUR_PIN = "/etc/apt/preferences.d/suture.pref"


def local_changes() -> dict[str, Any]:
    """{conffiles: [{package, path, state}], pins: [{package, pin, priority, file}]}; state: edited, missing or unread."""
    output = host.run(["dpkg-query", "-W", "-f", CONFFILES])
    return {"conffiles": edited_conffiles(output)[:MOST], "pins": pins()[:MOST]}


def edited_conffiles(output: str) -> list[dict[str, str]]:
    """Of installed packages; obsolete conffiles, which no package ships any more, are left out."""
    found = []
    package = ""
    for line in output.splitlines():
        if "\t" in line and not line.startswith(" "):
            status, package = line.split("\t", 1)
            package = package if status[1:2] == "i" else ""
            continue
        words = line.split()
        if not package or len(words) < 2 or not words[0].startswith("/"):
            continue
        path, digest, flags = conffile_parts(line.strip())
        if "obsolete" in flags or "remove-on-upgrade" in flags or digest == "newconffile":
            continue
        state = _state(path, digest)
        if state:
            found.append({"package": package, "path": path, "state": state})
    return found


def conffile_parts(line: str) -> tuple[str, str, list[str]]:
    """`/path md5 [flag…]`; a path may hold blanks."""
    words = line.split(" ")
    flags = []
    while words[-1] in ("obsolete", "remove-on-upgrade"):
        flags.append(words.pop())
    return " ".join(words[:-1]), words[-1], flags


def _state(path: str, digest: str) -> str | None:
    try:
        if os.path.getsize(path) > LARGEST_BYTES:
            return "unread"
        with open(path, "rb") as file:
            found = hashlib.md5(file.read(LARGEST_BYTES + 1), usedforsecurity=False).hexdigest()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unread"
    return None if found == digest else "edited"


def pins(paths: list[str] | None = None) -> list[dict[str, str]]:
    """The entries of apt_preferences(5) but our own; one for each name that an entry lists."""
    if paths is None:
        paths = ["/etc/apt/preferences", *sorted(glob.glob("/etc/apt/preferences.d/*"))]
    found = []
    for path in paths:
        if path == OUR_PIN or not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            text = "\n".join(line for line in file.read().splitlines() if not line.startswith("#"))
        for entry in text.split("\n\n"):
            pairs = (line.split(":", 1) for line in entry.splitlines() if ":" in line)
            fields = {name.strip().lower(): value.strip() for name, value in pairs}
            for package in fields.get("package", "").split():
                pin = {"package": package, "pin": fields.get("pin", ""), "priority": fields.get("pin-priority", "")}
                found.append({**pin, "file": path})
    return found
