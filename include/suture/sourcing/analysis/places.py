"""What a path in a package means for the host: where files lie that grant rights, start by themselves, or are read by others.

The table goes from the stern to the mild; a path belongs to the first kind that matches. Paths come without '/' before them, and
`usr/` before bin, sbin and lib makes no difference (merged /usr).
"""

from __future__ import annotations

import re
from enum import StrEnum


class Place(StrEnum):
    """What lies there."""

    LOADER = "loader"
    SCHEDULE = "schedule"
    PRIVILEGE = "privilege"
    PACKAGE_MANAGER = "package_manager"
    UNIT = "unit"
    HOOK = "hook"
    SYSTEM = "system"
    PROGRAM = "program"
    LIBRARY = "library"
    DOCUMENT = "document"
    OTHER = "other"


_TABLE: tuple[tuple[Place, str], ...] = (
    (
        Place.LOADER,
        r"etc/ld\.so\.(preload|conf)$|etc/ld\.so\.conf\.d/|etc/environment$|etc/environment\.d/|lib/environment\.d/",
    ),
    (
        Place.SCHEDULE,
        r"etc/cron|etc/crontab$|etc/anacrontab$|var/spool/(cron|at)/|(etc|lib)/systemd/(system|user)/.*\.timer(\.d/|$)",
    ),
    (
        Place.PRIVILEGE,
        r"etc/sudoers|etc/doas|etc/(usr/)?polkit-1/|usr/share/polkit-1/|var/lib/polkit-1/|etc/pam\.d/|usr/share/pam(-configs)?/"
        r"|lib/pam\.d/|etc/pam\.conf$|etc/security/|lib/([^/]+/)?security/|(etc|usr/share)/dbus-1/system(\.d/|\.conf$)"
        r"|etc/(passwd|shadow|group|gshadow|subuid|subgid|securetty|shells|nsswitch\.conf)$|root/|(etc|lib)/sysusers\.d/"
        r"|etc/ssh/|etc/apparmor\.d/|etc/selinux/|etc/audit/|etc/capability\.conf|home/",
    ),
    (
        Place.PACKAGE_MANAGER,
        r"etc/apt/|etc/dpkg/|usr/share/keyrings/|lib/apt/(methods|solvers|planners)/|lib/dpkg/methods/|var/lib/dpkg/"
        r"|usr/share/python-apt/|etc/pki/|etc/yum|etc/pip\.conf$",
    ),
    (
        Place.UNIT,
        r"(etc|lib)/systemd/(system|user)/|lib/systemd/(system|user)-(generators|environment-generators|shutdown|sleep|preset)/"
        r"|etc/init\.d/|etc/rc.\.d/|etc/rc\.local$|etc/xdg/autostart/|usr/share/dbus-1/(system-)?services/|etc/inittab$"
        r"|etc/(xinetd\.d/|inetd\.conf)",
    ),
    (
        Place.HOOK,
        r"etc/profile(\.d/|$)|etc/bash\.bashrc$|etc/zsh|etc/kernel/|etc/initramfs-tools/|usr/share/initramfs-tools/|lib/dracut/"
        r"|etc/network/if-|etc/NetworkManager/dispatcher\.d/|lib/NetworkManager/dispatcher\.d/|etc/dhcp/|etc/ppp/|etc/update-motd\.d/"
        r"|etc/X11/Xsession\.d/|etc/pm/|etc/acpi/|etc/ca-certificates/|etc/grub\.d/|etc/resolvconf/|etc/logrotate\.d/"
        r"|usr/share/(debconf|dpkg)/|lib/kernel/|etc/skel/|etc/needrestart/",
    ),
    (
        Place.SYSTEM,
        r"(etc|lib)/(udev|modprobe\.d|modules-load\.d|sysctl\.d|tmpfiles\.d|binfmt\.d)/|etc/(modules|sysctl\.conf|hosts|resolv\.conf)$"
        r"|lib/modules/.*\.ko|boot/|etc/ssl/|usr/share/ca-certificates/|etc/default/grub|etc/polkit|usr/share/binfmts/",
    ),
    (Place.PROGRAM, r"(s?bin|usr/local/s?bin|usr/games|lib/cgi-bin)/[^/]+$|usr/libexec/"),
    (Place.LIBRARY, r"lib(32|64|x32|o32)?/.*\.(so(\.[0-9.]+)*|ko|a)$"),
    (
        Place.DOCUMENT,
        r"usr/share/(doc|man|info|locale|doc-base|lintian|bug|gtk-doc|help|devhelp|reportbug)(/|$)|lib/debug/",
    ),
)
_PLACES = tuple((place, re.compile(pattern)) for place, pattern in _TABLE)
_MERGED = re.compile(r"usr/(?=(s?bin|lib(32|64|x32|o32)?|libexec)/)")
SENSITIVE = frozenset(
    {Place.LOADER, Place.SCHEDULE, Place.PRIVILEGE, Place.PACKAGE_MANAGER, Place.UNIT, Place.HOOK, Place.SYSTEM}
)


def place_of(path: str) -> Place:
    """What a path is; OTHER when the table does not know it."""
    plain = merged(path)
    return next((place for place, pattern in _PLACES if pattern.match(plain) or pattern.match(path)), Place.OTHER)


def merged(path: str) -> str:
    """The path as it stands on a host whose /bin, /sbin and /lib are links into /usr."""
    return _MERGED.sub("", path, count=1)
