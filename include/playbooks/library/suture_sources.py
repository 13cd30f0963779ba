"""Which apt sources a host has: `internal` (Suture's repository only, signed by its key) or `original` (as before).

`internal` moves every other source aside to /var/lib/suture/sources.original, so that the way back is a move, too;
writes the source in deb822 form with Signed-By, a pin, and apt options that fail closed. Returns {sources, aside,
changed}.
"""

from __future__ import annotations

import base64
import glob
import os
import re
import shutil
from typing import Any

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_job
from ansible.module_utils.basic import AnsibleModule

KEYRINGS = {True: "/etc/apt/keyrings/suture.asc", False: "/etc/apt/keyrings/suture.gpg"}  # armoured?
PIN = "/etc/apt/preferences.d/suture.pref"
OPTIONS = "/etc/apt/apt.conf.d/99suture"
MAIN = "/etc/apt/sources.list"
PARTS = "/etc/apt/sources.list.d"
URI = re.compile(r"https?://[A-Za-z0-9.:_\[\]-]+(?:/[A-Za-z0-9._~/-]*)?")
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,79}")


def uris(repository: dict[str, Any]) -> list[str]:
    """The internal repository's address, and that of its quarantine for the hosts of a patch out of band."""
    return [repository["uri"], *repository.get("more_uris", [])]


def source_text(repository: dict[str, Any], keyring: str) -> str:
    return (
        "# Written by Suture: this host installs from the internal repository only.\n"
        "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nSigned-By: {}\n".format(
            " ".join(uris(repository)), repository["suite"], repository["component"], keyring
        )
    )


def options_text(repository: dict[str, Any]) -> str:
    lines = ["// Written by Suture: apt must fail rather than go on with old or unsigned data."]
    lines += [
        '{} "{}";'.format(*tuple(option.split("=", 1)))
        for option in host.APT_SAFE
        if option.startswith(("APT::Update", "Acquire::Check", "Acquire::Allow", "APT::Get::AllowUn"))
    ]
    lines.append('APT::Periodic::Unattended-Upgrade "0";')
    if repository.get("direct"):
        name = re.sub(r"^https?://([^/:]+).*$", r"\1", repository["uri"])
        lines.append(f'Acquire::http::Proxy::{name} "DIRECT";')
    return "\n".join(lines) + "\n"


def checked(repository: dict[str, Any]) -> dict[str, Any]:
    for uri in uris(repository):
        if not URI.fullmatch(uri):
            raise host.HostError(f"{uri!r} is not the address of a repository")
    for name in ("suite", "component", "origin"):
        if not WORD.fullmatch(repository[name]):
            raise host.HostError(f"{repository[name]!r} is not a {name}")
    return repository


def key_of(repository: dict[str, Any]) -> tuple[str, bytes]:
    """(where the public key goes, its bytes): apt tells armoured from binary by the file's suffix."""
    data = base64.b64decode(repository["key_base64"], validate=True)
    if len(data) < 100:
        raise host.HostError("the repository's key is no OpenPGP public key")
    return KEYRINGS[data.startswith(b"-----BEGIN PGP PUBLIC KEY BLOCK")], data


def put(path: str, content: bytes) -> bool:
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read() == content:
                return False
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    with open(path + ".suture-new", "wb") as file:
        file.write(content)
    os.chmod(path + ".suture-new", 0o644)
    os.replace(path + ".suture-new", path)
    return True


def set_aside() -> list[str]:
    """Move every source but ours aside; a source that appeared again later replaces the copy of its name."""
    parts = os.path.join(host.ORIGINAL_SOURCES, "sources.list.d")
    os.makedirs(parts, mode=0o755, exist_ok=True)
    moved = []
    if os.path.exists(MAIN) and os.path.getsize(MAIN):
        shutil.move(MAIN, os.path.join(host.ORIGINAL_SOURCES, "sources.list"))
        moved.append(MAIN)
    for path in sorted(glob.glob(PARTS + "/*.list") + glob.glob(PARTS + "/*.sources")):
        if path != host.INTERNAL_SOURCE:
            shutil.move(path, os.path.join(parts, os.path.basename(path)))
            moved.append(path)
    return moved


def bring_back() -> list[str]:
    back = []
    main_copy = os.path.join(host.ORIGINAL_SOURCES, "sources.list")
    if os.path.exists(main_copy):
        shutil.move(main_copy, MAIN)
        back.append(MAIN)
    for path in sorted(glob.glob(os.path.join(host.ORIGINAL_SOURCES, "sources.list.d", "*"))):
        shutil.move(path, os.path.join(PARTS, os.path.basename(path)))
        back.append(path)
    for path in (host.INTERNAL_SOURCE, PIN, OPTIONS, *KEYRINGS.values()):
        if os.path.exists(path):
            os.unlink(path)
            back.append(path)
    return back


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"choices": ["internal", "original"], "default": "internal"},
            "token": {"type": "int", "required": True},
            "repository": {"type": "dict", "no_log": False},
        }
    )
    try:
        suture_job.require_token(module.params["token"])
        if module.params["state"] == "original":
            changed_paths = bring_back()
        else:
            repository = checked(module.params["repository"])
            pin = "Package: *\nPin: release o={}\nPin-Priority: 990\n".format(repository["origin"])
            keyring, key = key_of(repository)
            contents = {
                keyring: key,
                host.INTERNAL_SOURCE: source_text(repository, keyring).encode(),
                PIN: pin.encode(),
                OPTIONS: options_text(repository).encode(),
            }
            changed_paths = [path for path, content in contents.items() if put(path, content)]
            changed_paths += set_aside()
            if changed_paths:
                host.run(["apt-get", "-q", *host.apt_options(), "update"], timeout_seconds=300)
    except (host.HostError, suture_job.StaleTokenError, OSError, KeyError, ValueError) as error:
        module.fail_json(msg="The sources could not be set: {}.".format(str(error).rstrip(".")))
    module.exit_json(changed=bool(changed_paths), sources=module.params["state"], paths=changed_paths)


if __name__ == "__main__":
    main()
