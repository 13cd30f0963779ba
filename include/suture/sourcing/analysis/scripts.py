"""What a maintainer script does: the lines that a new version adds, and those among them that one should know of.

Maintainer scripts run as root. This is no shell: it splits a line where a command may begin and looks at the command's name, with
quotes and backslashes taken out (c"ur"l). What it does not recognise is still a new line, and stands in the difference as such;
so hiding a command makes it milder by one step at most, and never invisible.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Deed(StrEnum):
    """What a line does, the sternest first."""

    NETWORK = "network"
    SETUID = "setuid"
    CAPABILITY = "capability"
    LOADER = "loader"
    SCHEDULE = "schedule"
    PRIVILEGE = "privilege"
    OBFUSCATION = "obfuscation"
    ACCOUNT = "account"
    DEFENCE = "defence"
    SERVICE = "service"
    PERMISSION = "permission"


@dataclass(frozen=True)
class ScriptLine:
    """A line that is new, as written (continued lines joined), and what it does."""

    text: str
    deeds: tuple[Deed, ...]


@dataclass(frozen=True)
class ScriptChange:
    """added: effective lines that only the new version has. removed: how many it lost. is_new: the old version has no such script.

    program: it is a compiled program, of which no lines can be shown.
    """

    name: str
    added: tuple[ScriptLine, ...]
    removed: int
    is_new: bool
    program: bool = False

    def doing(self, deed: Deed) -> tuple[str, ...]:
        return tuple(line.text for line in self.added if deed in line.deeds)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_COMMANDS: dict[Deed, frozenset[str]] = {
    Deed.NETWORK: _words(
        "curl wget wget2 nc ncat netcat nc.openbsd nc.traditional socat telnet ftp tftp lftp aria2c axel rsync scp sftp ssh"
        " dig nslookup ping ping6 pip pip3 npm gem cargo GET POST lwp-request lynx w3m links elinks torsocks http https"
    ),
    Deed.ACCOUNT: _words(
        "useradd adduser groupadd addgroup usermod groupmod gpasswd chpasswd passwd chsh newusers vipw"
    ),
    Deed.SCHEDULE: _words("crontab systemd-run"),
    Deed.CAPABILITY: frozenset({"setcap"}),
    Deed.PERMISSION: _words("chmod chown chgrp setfacl chattr dpkg-statoverride"),
    Deed.SERVICE: _words("systemctl deb-systemd-helper deb-systemd-invoke update-rc.d invoke-rc.d service"),
    Deed.OBFUSCATION: _words("eval base64 base32 uudecode xxd"),
    Deed.DEFENCE: _words("iptables ip6tables nft ufw setenforce aa-disable aa-complain auditctl"),
    Deed.PRIVILEGE: frozenset({"apt-key", "visudo", "pam-auth-update"}),
}
_PATTERNS: tuple[tuple[Deed, re.Pattern[str]], ...] = (
    (
        Deed.NETWORK,
        re.compile(
            r"/dev/(tcp|udp)/|\burllib|http\.client|\bsocket\.(socket|create)|\brequests\.(get|post)|IO::Socket"
        ),
    ),
    (
        Deed.NETWORK,
        re.compile(
            r"LWP::|HTTP::Tiny|Net::(HTTP|FTP)|TCPSocket|open-uri|\bgit\s+(clone|fetch|pull)\b|\bdocker\s+pull\b"
        ),
    ),
    (Deed.NETWORK, re.compile(r"\b(apt|apt-get|aptitude|snap|dnf|yum|go|flatpak)\s+(-\S+\s+)*(install|update|get)\b")),
    (
        Deed.SETUID,
        re.compile(
            r"\bchmod\b(\s+-\S+)*\s+(0?[2467][0-7]{3}\b|[ugoa]*[+=][rwxXt]*s)|\binstall\b.*-m\s*0?[467][0-7]{3}\b"
        ),
    ),
    (Deed.SETUID, re.compile(r"dpkg-statoverride\b.*\s0?[2467][0-7]{3}\s")),
    (Deed.LOADER, re.compile(r"ld\.so\.preload|ld\.so\.conf|LD_PRELOAD\s*=|LD_AUDIT\s*=")),
    (Deed.SCHEDULE, re.compile(r"(^|[;|&]\s*)at\s+(-[fmq]|now\b|midnight|noon|teatime|\d)")),
    (Deed.SCHEDULE, re.compile(r"/etc/cron|/var/spool/cron|/etc/anacrontab")),
    (
        Deed.PRIVILEGE,
        re.compile(r"/etc/(sudoers|pam\.d|pam\.conf|passwd|shadow|gshadow|security/)|authorized_keys|polkit-1"),
    ),
    (Deed.PRIVILEGE, re.compile(r"/etc/apt/(sources|trusted|keyrings|apt\.conf)|/usr/share/keyrings")),
    (
        Deed.OBFUSCATION,
        re.compile(
            r"\|\s*(/bin/|/usr/bin/)?(ba|da|z|k)?sh\b(?!\S)|\\x[0-9a-f]{2}\\x[0-9a-f]{2}|openssl\s+enc|exec\(|\bb64decode"
        ),
    ),
)
_URL = re.compile(r"\b(?:https?|ftps?)://", re.IGNORECASE)
_SPEAKS = _words("echo printf log_msg db_subst cat warning error info print die")
_WRAPPERS = _words(
    "then do else elif if while until exec command nohup sudo env time xargs nice ionice setsid timeout stdbuf busybox su runuser"
    " unshare chroot start-stop-daemon trap !"
)
_SPLIT = re.compile(r"\$\(|[;|&()`{}\n]")
_ASSIGNS = re.compile(r"[A-Za-z_]\w*=")
_LINES_SHOWN, _LINE_LENGTH = 200, 300


def script_changes(
    old: dict[str, str], new: dict[str, str], versions: tuple[str, str] = ("", "")
) -> tuple[ScriptChange, ...]:
    """The scripts that differ in what they do; comments, blank lines and the package's own version make no difference."""
    changes = []
    for name in dict.fromkeys([*new, *old]):
        before, after = old.get(name, ""), new.get(name, "")
        if before == after:
            continue
        if after.startswith("\x7fELF"):
            changes.append(ScriptChange(name, (), 0, name not in old, program=True))
            continue
        had, has = Counter(effective_lines(before, versions[0])), Counter(effective_lines(after, versions[1]))
        added, removed = has - had, had - has
        if added or removed:
            lines = tuple(ScriptLine(line[:_LINE_LENGTH], deeds(line)) for line in added)
            changes.append(ScriptChange(name, lines[:_LINES_SHOWN], removed.total(), name not in old))
    return tuple(changes)


def effective_lines(text: str, version: str = "") -> list[str]:
    """Lines without comments and blank ones, continued lines joined, white space made even, `version` written VERSION."""
    joined = re.sub(r"\\\n", " ", text)
    if version:
        joined = joined.replace(version, "VERSION")
    lines = (" ".join(line.split()) for line in joined.splitlines())
    return [
        line
        for number, line in enumerate(lines)
        if line and (not line.startswith("#") or (number == 0 and "!" in line))
    ]


def deeds(line: str) -> tuple[Deed, ...]:
    """What a line does, sternest first; () for nothing that is looked for."""
    found = {deed for deed, pattern in _PATTERNS if pattern.search(line)}
    plain = re.sub(r"[\\\"']", "", line)
    found |= {deed for deed, pattern in _PATTERNS if pattern.search(plain)}
    for piece in _SPLIT.split(plain):
        command, words = _command(piece.split())
        found |= {deed for deed, names in _COMMANDS.items() if command in names}
        if _URL.search(piece) and command not in _SPEAKS and words:
            found.add(Deed.NETWORK)
    return tuple(deed for deed in Deed if deed in found)


def _command(words: list[str]) -> tuple[str, list[str]]:
    """The name of the command that a piece of a line runs, and all its words; '' when there is none.

    A wrapper's own options and numbers are skipped; `command -v NAME` and `which NAME` run nothing.
    """
    position = 0
    while position < len(words):
        name = words[position].rpartition("/")[2]
        if name == "command" and words[position + 1 : position + 2] in (["-v"], ["-V"]):
            return "command", words
        if name in _WRAPPERS or _ASSIGNS.match(words[position]):
            position += 1
            while position < len(words) and re.fullmatch(r"-\S*|\d+\w?", words[position]):
                position += 1
            continue
        return name, words
    return "", words


def sternest(lines: Iterable[ScriptLine]) -> Deed | None:
    """The sternest deed among the lines; None when there is none."""
    found = {deed for line in lines for deed in line.deeds}
    return next((deed for deed in Deed if deed in found), None)
