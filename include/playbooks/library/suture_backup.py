"""Back up a host with restic, read every byte back, restore it and compare. A backup is proven or it is none.

The repository lies in a folder of the host (`repository`), encrypted with a password that comes by environment only.
Databases are dumped first (pg_dump, custom format), and each dump is read back by pg_restore. Returns {backup:
{...}}.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import tempfile
import time
from typing import Any

from ansible.module_utils import suture_host as host
from ansible.module_utils import suture_job
from ansible.module_utils.basic import AnsibleModule

DATABASE = re.compile(r"[a-z_][a-z0-9_]{0,62}")
DUMPS = os.path.join(host.STATE, "dumps")


class Restic:
    def __init__(self, repository: str, password: str) -> None:
        cache = os.path.join(host.STATE, "restic-cache")
        self.environment = {
            "RESTIC_REPOSITORY": repository,
            "RESTIC_PASSWORD": password,
            "RESTIC_CACHE_DIR": cache,
            "HOME": "/root",
        }
        self.repository = repository

    def __call__(self, *arguments: str, timeout_seconds: int = 1800) -> str:
        return host.run(["restic", *arguments], timeout_seconds=timeout_seconds, environment=self.environment)

    def ensure(self) -> None:
        if not os.path.exists(os.path.join(self.repository, "config")):
            os.makedirs(self.repository, mode=0o700, exist_ok=True)
            self("init")

    def last_json(self, *arguments: str) -> dict[str, Any]:
        lines = [line for line in self(*arguments, "--json").splitlines() if line.startswith("{")]
        found: dict[str, Any] = json.loads(lines[-1])
        return found


def dump(names: list[str]) -> list[dict[str, Any]]:
    shutil.rmtree(DUMPS, ignore_errors=True)
    os.makedirs(DUMPS, mode=0o700)
    dumped = []
    for name in names:
        if not DATABASE.fullmatch(name):
            raise host.HostError(f"{name!r} is not a database's name")
        path = os.path.join(DUMPS, name + ".dump")
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            shutil.chown(folder, "postgres")
            made = os.path.join(folder, "dump")
            host.run(
                ["runuser", "-u", "postgres", "--", "pg_dump", "--no-password", "-Fc", "-f", made, name],
                timeout_seconds=1800,
            )
            shutil.move(made, path)
        entries = [line for line in host.run(["pg_restore", "--list", path]).splitlines() if not line.startswith(";")]
        dumped.append({"name": name, "size_bytes": os.path.getsize(path), "entries": len(entries)})
    return dumped


def hashes(root: str, paths: list[str]) -> dict[str, str]:
    """{path without root: SHA-256, or what a link or special file is} of everything under `paths`."""
    found = {}
    for top in paths:
        for folder, names, files in os.walk(root + top):
            for name in [*files, *(n for n in names if os.path.islink(os.path.join(folder, n)))]:
                path = os.path.join(folder, name)
                mode = os.lstat(path).st_mode
                if stat.S_ISLNK(mode):
                    found[path[len(root) :]] = "link to " + os.readlink(path)
                elif stat.S_ISREG(mode):
                    found[path[len(root) :]] = host.sha256_of(path)
    return found


def prove_restore(restic: Restic, snapshot: str, paths: list[str], taken: float) -> dict[str, Any]:
    """Restore to a folder of its own and compare each file with the living one; what changed since
    `taken` is set aside.
    """
    target = tempfile.mkdtemp(prefix="suture-restore-", dir="/var/tmp")
    started = time.monotonic()
    try:
        restic("restore", snapshot, "--target", target, "--verify")
        restored, living = hashes(target, paths), hashes("", paths)
        if not restored:
            raise host.HostError("the test restore brought nothing back")
        different = [path for path, digest in restored.items() if living.get(path) != digest]
        missing = [path for path in living if path not in restored]
        changed_since = {path for path in {*different, *missing} if _touched(path, taken)}
        wrong = sorted({*different, *missing} - changed_since)
        if wrong:
            raise host.HostError(f"the test restore differs in {len(wrong)} files: {', '.join(wrong[:5])}")
    finally:
        shutil.rmtree(target, ignore_errors=True)
    return {
        "files": len(restored),
        "changed_since": len(changed_since),
        "seconds": round(time.monotonic() - started, 3),
    }


def _touched(path: str, since: float) -> bool:
    """Whether the living file changed, or went, after `since`."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return True
    return max(found.st_mtime, found.st_ctime) >= since - 1


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "token": {"type": "int", "required": True},
            "campaign_id": {"type": "str", "required": True},
            "repository": {"type": "path", "default": "/var/backups/suture/restic"},
            "password": {"type": "str", "required": True, "no_log": True},
            "paths": {"type": "list", "elements": "path", "default": ["/etc"]},
            "databases": {"type": "list", "elements": "str", "default": []},
        }
    )
    values = module.params
    try:
        suture_job.require_token(values["token"])
        with suture_job.HostLock(60):
            restic = Restic(values["repository"], values["password"])
            restic.ensure()
            dumps = dump(values["databases"])
            paths = [path for path in values["paths"] if os.path.isdir(path)] + ([DUMPS] if dumps else [])
            taken = time.time()
            summary = restic.last_json("backup", "--tag", values["campaign_id"], *paths)
            snapshot = summary["snapshot_id"]
            backed_up = time.time()
            restic("check", "--read-data")
            checked = time.time()
            proof = prove_restore(restic, snapshot, paths, taken)
    except (
        host.HostError,
        suture_job.StaleTokenError,
        suture_job.LockBusyError,
        OSError,
        ValueError,
        KeyError,
    ) as error:
        module.fail_json(msg="There is no proven backup of this host: {}.".format(str(error).rstrip(".")))
    stamp = "%Y-%m-%dT%H:%M:%SZ"
    backup = {
        "tool": host.run(["restic", "version"]).split(" compiled")[0].strip(),
        "repository": values["repository"],
        "snapshot_ref": snapshot,
        "paths": paths,
        "databases": dumps,
        "taken_at": time.strftime(stamp, time.gmtime(taken)),
        "checked_at": time.strftime(stamp, time.gmtime(checked)),
        "restored_at": host.now(),
        "size_bytes": summary["total_bytes_processed"],
        "added_bytes": summary["data_added"],
        "files": summary["total_files_processed"],
        "backup_seconds": round(backed_up - taken, 3),
        "check_seconds": round(checked - backed_up, 3),
        "restore_seconds": proof["seconds"],
        "restored_files": proof["files"],
        "changed_since": proof["changed_since"],
    }
    module.exit_json(changed=True, backup=backup)


if __name__ == "__main__":
    main()
