"""Whether a host has room to be patched: free bytes and inodes where apt and dpkg write, and a clock that can be
trusted.

Changes nothing. Returns {mounts, free_bytes, clock}; fails with every shortage named.
"""

from __future__ import annotations

import os
import time

from ansible.module_utils.basic import AnsibleModule

PLACES = ("/", "/usr", "/var", "/var/cache/apt", "/var/lib/dpkg", "/boot")
MIN_FREE_INODES = 2000


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "min_free_bytes": {"type": "int", "default": 256 * 1024 * 1024},
            "controller_time": {"type": "float", "required": True},
            "max_skew_seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    values = module.params
    shortages, free = [], {}
    for place in PLACES:
        if not os.path.isdir(place):
            continue
        found = os.statvfs(place)
        free[place] = found.f_bavail * found.f_frsize
        if place != "/boot" and free[place] < values["min_free_bytes"]:
            shortages.append(f"{place} has {free[place] >> 20} MB free, less than {values['min_free_bytes'] >> 20}")
        if found.f_files and found.f_favail < MIN_FREE_INODES:
            shortages.append(f"{place} has {found.f_favail} free inodes")
    skew = time.time() - values["controller_time"]
    if abs(skew) > values["max_skew_seconds"]:
        shortages.append(
            f"the clock differs by {skew:.0f} s from the control machine's: expiry dates cannot be trusted"
        )
    if shortages:
        module.fail_json(msg="This host is not fit to be patched: {}.".format("; ".join(shortages)), free_bytes=free)
    module.exit_json(changed=False, free_bytes=free, skew_seconds=round(skew, 1))


if __name__ == "__main__":
    main()
