"""Making the .deb of an installed package anew from what is installed: the last way back, when no source has it any more.

What dpkg knows of the package (control fields, maintainer scripts, conffiles, diversions) and the files as they are now. Files
that are missing on the host (path-exclude in minimal images) are missing in the package too.

A conffile that the administrator edited is left out: what the package brought is no longer known here. Brought as the package's
own it would become what dpkg compares with, and the next update would replace the edited file without a word. Left out, dpkg
keeps the file and its digest as obsolete, and the next version takes both over.

One that the administrator deleted must stay deleted, as dpkg has it. Left out, dpkg would forget that the package ever had it (it
keeps no entry of an obsolete conffile that is not there), and the next update would bring it back as a new one. So a stand-in is
brought: dpkg sees a file that is deleted here and keeps it so, now and at the next update. As after any update of a deleted conffile,
what the package brought lies beside it as .dpkg-dist.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_local

_MEMBERS = ("preinst", "postinst", "prerm", "postrm", "config", "templates", "triggers", "shlibs", "symbols", "md5sums")
_DROPPED = ("Status", "Conffiles", "Config-Version")
_STAND_IN = """\
# This file was deleted on this host before its package was built anew here, as the way back of an update.
# What the package brought in it is not known any more. dpkg keeps the file deleted.
"""
_DIVERTED = re.compile(r"^(?:locally diverted|diverted by \S+) to: (/.*)$")


def repack(name: str, folder: str) -> str:
    """Build the .deb of an installed package into `folder`; its path. Raises HostError."""
    control, conffiles = _control(name)
    fields = dict(re.findall(r"^(Package|Version|Architecture): (\S+)$", control, re.MULTILINE))
    version = fields["Version"].replace(":", "%3a")
    target = os.path.join(folder, f"{name}_{version}_{fields['Architecture']}.deb")
    root = tempfile.mkdtemp(prefix="repack-", dir=folder)
    try:
        os.chmod(root, 0o755)  # noqa: S103 - the mode of / in the package
        edited = _edited(name)
        _copy_files(name, root, without=set(edited))
        _write_stand_ins(root, [path for path in conffiles if edited.get(path) == "missing"])
        _write_control(name, root, control, conffiles)
        host.run(["dpkg-deb", "-Zgzip", "-z1", "--build", root, target], timeout_seconds=600)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return target


def _control(name: str) -> tuple[str, list[str]]:
    """(the control file's text, the conffiles that belong to this version)."""
    kept, conffiles, dropping, field = [], [], False, ""
    for line in host.run(["dpkg-query", "--status", name]).rstrip().splitlines():
        if not line.startswith(" "):
            field = line.partition(":")[0]
            dropping = field in _DROPPED
        elif field == "Conffiles" and not line.endswith("obsolete"):
            conffiles.append(suture_local.conffile_parts(line.strip())[0])
        if not dropping:
            kept.append(line)
    return "\n".join(kept) + "\n", conffiles


def _edited(name: str) -> dict[str, str]:
    """Conffiles that are not as the package brought them: path → edited, missing, or unread (too large to tell)."""
    output = host.run(["dpkg-query", "-W", "-f", suture_local.CONFFILES, name])
    return {found["path"]: found["state"] for found in suture_local.edited_conffiles(output)}


def _write_stand_ins(root: str, paths: list[str]) -> None:
    for path in paths:
        place = root + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        with open(place, "w") as file:
            file.write(_STAND_IN)
        os.chmod(place, 0o644)


def _copy_files(name: str, root: str, *, without: set[str]) -> None:
    listed: list[tuple[str, str]] = []  # (path in the package, path on this host)
    for line in host.run(["dpkg-query", "-L", name]).splitlines():
        diverted = _DIVERTED.match(line)
        if diverted and listed:
            listed[-1] = (listed[-1][0], diverted.group(1))
        elif line.startswith("/") and line != "/." and line not in without:
            listed.append((line, line))
    folders = {os.path.dirname(path) for path, _ in listed}
    for path, source in listed:
        place = root + path
        if not os.path.lexists(source):
            continue
        # A folder may be a link here (/lib on merged systems) and is a folder in the package all the same.
        if path in folders or (os.path.isdir(source) and not os.path.islink(source)):
            os.makedirs(place, exist_ok=True)
            shutil.copystat(source, place)
            found = os.stat(source)
            os.chown(place, found.st_uid, found.st_gid)
            continue
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy2(source, place, follow_symlinks=False)
        found = os.lstat(source)
        os.chown(place, found.st_uid, found.st_gid, follow_symlinks=False)
        if not os.path.islink(source):
            os.chmod(place, found.st_mode & 0o7777)  # chown took set-uid bits away


def _write_control(name: str, root: str, control: str, conffiles: list[str]) -> None:
    folder = os.path.join(root, "DEBIAN")
    os.mkdir(folder, 0o755)
    for path in host.run(["dpkg-query", "--control-path", name], accepted=(0, 1)).splitlines():
        member = os.path.basename(path).rpartition(".")[2]  # NAME.MEMBER or NAME:ARCHITECTURE.MEMBER
        if member in _MEMBERS and os.path.exists(path):
            shutil.copy2(path, os.path.join(folder, member))
    present = [path for path in conffiles if os.path.lexists(root + path)]
    if present:
        with open(os.path.join(folder, "conffiles"), "w") as file:
            file.write("\n".join(present) + "\n")
    with open(os.path.join(folder, "control"), "w") as file:
        file.write(control)
