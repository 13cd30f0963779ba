"""The way back, made before the way forward: the .deb of every version that a patch replaces, kept on the host.

Where the old .deb comes from, in this order (the manifest says which):

1. `kept`: it lies here already, from an earlier try.
2. `internal`: the internal repository still offers the old version.
3. `original`: the sources that the host had before it was enrolled, kept aside, still offer it.
4. `repacked`: built anew from the installed files (suture_repack).

A package with none of these makes the patch refuse to start: a patch without a way back is a decision for people.
"""

from __future__ import annotations

import glob
import json
import os
import time
from typing import Any

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_job, suture_repack

ORIGINAL_LISTS = os.path.join(host.STATE, "lists.original")
ORIGINAL_MERGED = os.path.join(host.STATE, "original.list")
LISTS_FRESH_SECONDS = 3600


def folder_of(campaign_id: str) -> str:
    return os.path.join(host.ROLLBACK_CACHE, campaign_id)


def manifest_path(campaign_id: str) -> str:
    return os.path.join(folder_of(campaign_id), "manifest.json")


def read_manifest(campaign_id: str) -> dict[str, Any]:
    """{"replaced": {package: {version, file, sha256, origin}}, "added": [package]}; empty when nothing was replaced."""
    try:
        with open(manifest_path(campaign_id)) as file:
            found: dict[str, Any] = json.load(file)
            return found
    except FileNotFoundError:
        return {"replaced": {}, "added": []}


def keep_replaced(campaign_id: str, changes: dict[str, tuple[str | None, str]]) -> dict[str, Any]:
    """Make sure of every replaced version's .deb; the manifest. Raises HostError naming what cannot be had.

    What an earlier try of the same campaign noted stays: it knew the state before the first change.
    """
    folder = folder_of(campaign_id)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    manifest = read_manifest(campaign_id)
    wanted = {name: old for name, (old, _) in changes.items() if old is not None and name not in manifest["replaced"]}
    found = _debs_in(folder)
    for origin, fetch in (("internal", _from_internal), ("original", _from_original), ("repacked", _repacked)):
        missing = {name: old for name, old in wanted.items() if (name, old) not in found}
        if missing:
            fetch(folder, missing)
            for key, path in _debs_in(folder).items():
                found.setdefault(key, (path[0], origin))
    lost = sorted("{} {}".format(*item) for item in wanted.items() if item not in found)
    if lost:
        raise host.HostError(
            "there is no way back for {}: the old version is in no source, and it could not be built anew".format(
                ", ".join(lost)
            )
        )
    for name, old in wanted.items():
        path, origin = found[(name, old)]
        manifest["replaced"][name] = {
            "version": old,
            "file": os.path.basename(path),
            "sha256": host.sha256_of(path),
            "origin": origin,
        }
    manifest["added"] = sorted({*manifest["added"], *(name for name, (old, _) in changes.items() if old is None)})
    suture_job.write_atomically(manifest_path(campaign_id), json.dumps(manifest, indent=1))
    return manifest


def checked_debs(campaign_id: str, manifest: dict[str, Any]) -> list[str]:
    """The kept files, each with the hash it had. Raises HostError."""
    paths = []
    for name, kept in sorted(manifest["replaced"].items()):
        path = os.path.join(folder_of(campaign_id), kept["file"])
        if not os.path.exists(path) or host.sha256_of(path) != kept["sha256"]:
            raise host.HostError("the kept {} of {} is missing or was altered".format(kept["file"], name))
        paths.append(path)
    return paths


def close_manifest(campaign_id: str) -> None:
    """The way back was gone: a later patch of the same campaign starts a new manifest (the .debs stay)."""
    if os.path.exists(manifest_path(campaign_id)):
        os.replace(manifest_path(campaign_id), os.path.join(folder_of(campaign_id), "manifest.restored.json"))


def _debs_in(folder: str) -> dict[tuple[str, str], tuple[str, str]]:
    found = {}
    for path in glob.glob(os.path.join(folder, "*.deb")):
        lines = host.run(["dpkg-deb", "-W", "--showformat=${Package}\t${Version}", path]).split("\t")
        found[(lines[0], lines[1])] = (path, "kept")
    return found


def _offered(names: list[str], options: list[str]) -> set[tuple[str, str]]:
    offered = set()
    for line in host.run(["apt-cache", *options, "madison", *names], accepted=(0, 100)).splitlines():
        columns = [column.strip() for column in line.split("|")]
        if len(columns) == 3:
            offered.add((columns[0], columns[1]))
    return offered


def _download(folder: str, wanted: dict[str, str], options: list[str]) -> None:
    offered = _offered(sorted(wanted), options)
    specs = ["{}={}".format(*item) for item in sorted(wanted.items()) if item in offered]
    if specs:
        # As root apt warns that _apt cannot write here; the file is checked against the signed index all the same.
        host.run(
            ["apt-get", "-q", *options, "-o", "APT::Sandbox::User=root", "download", *specs],
            timeout_seconds=300,
            folder=folder,
        )


def _from_internal(folder: str, wanted: dict[str, str]) -> None:
    _download(folder, wanted, host.apt_options())


def _from_original(folder: str, wanted: dict[str, str]) -> None:
    if not os.path.isdir(host.ORIGINAL_SOURCES):
        return
    options = original_options()
    stamp = os.path.join(ORIGINAL_LISTS, "updated")
    try:
        if not os.path.exists(stamp) or time.time() - os.path.getmtime(stamp) > LISTS_FRESH_SECONDS:
            os.makedirs(os.path.join(ORIGINAL_LISTS, "partial"), exist_ok=True)
            host.run(["apt-get", "-q", *options, "update"], timeout_seconds=300)
            with open(stamp, "w"):
                pass
        _download(folder, wanted, options)
    except host.HostError:
        return  # out of reach is no failure yet: the next way may do


def original_options() -> list[str]:
    """apt options that see only the sources kept aside, with lists of their own."""
    options = [
        *host.APT_SAFE,
        "Dir::Etc::sourcelist=" + os.path.join(host.ORIGINAL_SOURCES, "sources.list"),
        "Dir::Etc::sourceparts=" + os.path.join(host.ORIGINAL_SOURCES, "sources.list.d"),
        "Dir::Etc::preferences=/dev/null",
        "Dir::Etc::preferencesparts=/dev/null",
        "Dir::State::lists=" + ORIGINAL_LISTS,
        "Dir::Cache::pkgcache=",
        "Dir::Cache::srcpkgcache=",
        "APT::Sandbox::User=root",
    ]
    return [part for option in options for part in ("-o", option)]


def _repacked(folder: str, wanted: dict[str, str]) -> None:
    for name in sorted(wanted):
        try:
            suture_repack.repack(name, folder)
        except (host.HostError, OSError):
            continue  # keep_replaced names what is still missing
