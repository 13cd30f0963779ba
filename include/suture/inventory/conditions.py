"""Conditions: what stands between a finding and its fix on one host, told apart.

| condition | what it says | where it comes from |
|---|---|---|
| held | apt will not touch it: someone put it on hold | apt-mark, dpkg's selection |
| half_configured | unpacked, half configured or half installed: dpkg was interrupted | dpkg's status |
| phased | the archive gives the fix to a share of hosts only, so far | Phased-Update-Percentage |
| reboot_pending | the fixed kernel is installed, and an older one runs | the kernel's own build string |
| service_restart_pending | fixed on disk or not, processes run from replaced files of the package | /proc/*/maps |

The view vulnerable_host_source (migration 0431) puts them together; this module names them, and reads the kernel.

Which kernel runs: Debian's kernel says its package version in `uname -v` (`#1 SMP … Debian 6.1.76-1 (2024-02-01)`), so
that a rebuilt kernel of the same name is told from the old one. Ubuntu's says `#25-Ubuntu`, which with the release
5.15.0-25-generic is 5.15.0-25.25. A kernel that says neither has no version here, and then a kernel's finding stays open
for as long as the running release is not the installed one.
"""

from __future__ import annotations

import re

CONDITIONS = ("held", "half_configured", "phased", "reboot_pending", "service_restart_pending")
SENTENCES = {
    "held": "The package is on hold: lift the hold, or accept the risk.",
    "half_configured": "dpkg was interrupted: `dpkg --configure -a` has to end well before this counts as fixed.",
    "phased": "The archive gives this update to a share of the hosts only, so far.",
    "reboot_pending": "The fixed kernel is installed, but an older one runs: the host has to be restarted.",
    "service_restart_pending": "Processes still run from files that the update replaced: restart their services.",
}
_DEBIAN = re.compile(r"\bDebian (\d[A-Za-z0-9.+~:-]{0,100}) \(")
_UBUNTU = re.compile(r"#(\d+(?:~[0-9.]+)?(?:\.\d+)*)(?:-[A-Za-z]+)*-Ubuntu\b")
_UBUNTU_RELEASE = re.compile(r"(\d+\.\d+\.\d+-\d+)-[a-z0-9-]+")


def running_kernel_version(release: str, build: str | None) -> str | None:
    """The package version of the kernel that runs. release: `uname -r`; build: `uname -v`, None when nobody asked."""
    if not build or len(build) > 500:
        return None
    if found := _DEBIAN.search(build):
        return found[1]
    ubuntu, name = _UBUNTU.search(build), _UBUNTU_RELEASE.fullmatch(release)
    return f"{name[1]}.{ubuntu[1]}" if ubuntu and name else None
