"""Idioms in scripts and build files that fetch, unwrap and run what nobody has read.

A script may do anything; these are the few things that packages' scripts do not do, and implants do: text that is decoded and then
run, a download that is run, a shell bound to a socket, and the cutting and translating of data files by which CVE-2024-3094
assembled its first stage. Quotes and backslashes in the middle of words hide a word from a reader and not from a shell, so shell text
is also looked at without them.

    script_kind(path, data) -> ScriptKind | None
    idioms(kind, data) -> {name: excerpts}
    script_abilities(kind, data) -> names of programs that use the network
"""

from __future__ import annotations

import re
from enum import StrEnum

MAX_SCRIPT_BYTES = 8 * 1024 * 1024


class ScriptKind(StrEnum):
    """build: what a build or another program reads and then runs (.pc, .m4, Makefiles, CMake, units, cron tables)."""

    SHELL = "shell"
    PYTHON = "python"
    PERL = "perl"
    PHP = "php"
    JAVASCRIPT = "javascript"
    RUBY = "ruby"
    BUILD = "build"


_INTERPRETERS = (
    (re.compile(rb"\b(?:ba|da|z|k|a)?sh\b|busybox|env -S .*sh\b"), ScriptKind.SHELL),
    (re.compile(rb"python|pypy"), ScriptKind.PYTHON),
    (re.compile(rb"perl"), ScriptKind.PERL),
    (re.compile(rb"php"), ScriptKind.PHP),
    (re.compile(rb"node|nodejs"), ScriptKind.JAVASCRIPT),
    (re.compile(rb"ruby"), ScriptKind.RUBY),
)
_ENDINGS = {
    ".sh": ScriptKind.SHELL, ".bash": ScriptKind.SHELL, ".py": ScriptKind.PYTHON, ".pth": ScriptKind.PYTHON, ".pl": ScriptKind.PERL,
    ".pm": ScriptKind.PERL, ".php": ScriptKind.PHP, ".phtml": ScriptKind.PHP, ".js": ScriptKind.JAVASCRIPT,
    ".cjs": ScriptKind.JAVASCRIPT,
    ".mjs": ScriptKind.JAVASCRIPT, ".rb": ScriptKind.RUBY, ".pc": ScriptKind.BUILD, ".m4": ScriptKind.BUILD,
    ".cmake": ScriptKind.BUILD,
    ".mk": ScriptKind.BUILD, ".am": ScriptKind.BUILD, ".ac": ScriptKind.BUILD, ".service": ScriptKind.BUILD,
    ".timer": ScriptKind.BUILD,
    ".rules": ScriptKind.BUILD, ".desktop": ScriptKind.BUILD, ".inc": ScriptKind.PHP,
}  # fmt: skip
_PLACES = ("etc/init.d/", "etc/profile.d/", "etc/cron", "DEBIAN/", "usr/share/bash-completion/", "etc/network/if-")
_BUILD_NAMES = {"Makefile", "makefile", "GNUmakefile", "configure", "CMakeLists.txt"}

_SHELLS = rb"(?:(?:/usr)?/bin/|/usr/bin/env +|sudo +|exec +)*(?:ba|da|z|k|a)?sh\b"
_DECODERS = (
    rb"(?:\b(?:base64 +(?:-d|-D|--decode|-di|-id)\b|base32 +-d|openssl +(?:enc +)?-?(?:base64 +)?-d|xxd +-[a-z]*r|uudecode|"
    rb"(?:xz|lzma|gzip|bzip2|zstd) +-[a-zA-Z]*d[a-zA-Z]*\b|unxz\b|xzcat\b|gunzip\b|tr +(?:-d +)?[\"'][^\"'\n]{4,}[\"'])|"
    rb"(?:(?<=\|)|(?<=\| ))rev\b)"
)
_NOT_END = rb"[^\n;#]{0,400}?"
_SHELL = {
    "decoded text is piped to a shell": _DECODERS + _NOT_END + rb"\| *" + _SHELLS + rb"(?! *-n\b)(?=[\s;|&)\"'`]|$)",
    "decoded text is evaluated": rb"\beval\b[^\n]{0,200}?(?:" + _DECODERS + rb"|\\x[0-9a-f]{2}\\x|\$'\\)",
    "a download is piped to a shell": rb"\b(?:curl|wget|fetch|lwp-request)\b"
    + _NOT_END
    + rb"\| *"
    + _SHELLS
    + rb"(?=[\s;|&)\"'`]|$)",
    "a shell is bound to a socket": rb"/dev/(?:tcp|udp)/[\w.$\{]|"
    rb"\b(?:nc|ncat|netcat)\b[^\n]{0,80}\s-[a-z]*[ec]\s*[\"']?(?:/usr)?/bin/|"
    rb"\bsocat\b[^\n]{0,120}\bEXEC:[\"']?(?:/usr)?/?(?:bin/)?(?:ba|da)?sh",
    "bytes are cut out of a data file and unpacked": rb"(?:\bhead +-c|\btail +-c|\bdd\b[^\n|]*skip=)[^\n]{0,300}\|[^\n]{0,300}"
    rb"(?:xz|lzma|gzip|base64|openssl|bzip2|zstd)\b[^\n]{0,40}-[a-zA-Z]*d[^\n]{0,300}\| *(?:" + _SHELLS + rb"|/|\$)",
    "a letter is exchanged for another in a data file that is unpacked": rb"\btr +[\"'\\][^\n|]{4,40}[\"'][^\n]{0,60}\| *"
    rb"(?:xz|lzma|gzip|bzip2) +-[a-zA-Z]*d",
    "code is put before every program": rb"(?:>>?|\btee\b[^\n]{0,30}|\bcp\b[^\n]{0,80}) *[\"']?/etc/ld\.so\.preload",
    "a key is added to somebody's log-in": rb"(?:>>|\btee +-a)[^\n]{0,20}authorized_keys",
    "a program is fetched and made executable": rb"\b(?:curl|wget)\b[^\n]{0,300}(?:-o|-O|>)"
    rb"[^\n]{0,200}(?:&&|;)[^\n]{0,60}chmod +(?:\+x|[0-7]*7[0-7]*)",
}
_PYTHON = {
    "decoded text is executed": rb"\b(?:exec|eval)\s*\(\s*(?:compile\s*\(\s*)?(?:\w+\.)*(?:b64decode|b85decode|a85decode|decompress|"
    rb"fromhex|"
    rb"unhexlify|loads|decode)\s*\(|\b(?:exec|eval)\s*\(\s*__import__\s*\(",
    "a download is executed": rb"\b(?:exec|eval)\s*\(\s*(?:\w+\.)*(?:urlopen|get)\s*\(\s*[\"']?http",
    "a shell is bound to a socket": rb"os\.dup2\s*\(\s*\w+\.fileno\(\)\s*,\s*[012]\s*\)",
}
_PERL = {
    "decoded text is evaluated": rb"\beval\s*\(?\s*(?:unpack\s*\(?\s*[\"']u|decode_base64|MIME::Base64::decode|pack\s*\(?\s*[\"']H)",
    "a shell is bound to a socket": rb"open\s*\(?\s*STDIN\s*,\s*[\"']>&\s*\w+[\"'][^\n]{0,200}exec\s*\{?\s*\(?[\"']/bin/",
}
_PHP = {
    "decoded text is evaluated": rb"\b(?:eval|assert|create_function)\s*\(\s*"
    rb"(?:@?\s*(?:gzinflate|gzuncompress|str_rot13|strrev|base64_decode)"
    rb"\s*\(\s*)+",
    "a request is executed": rb"\b(?:eval|assert|system|passthru|shell_exec|popen|proc_open|exec)\s*\(\s*@?\s*"
    rb"(?:base64_decode\s*\(\s*)?"
    rb"\$_(?:GET|POST|REQUEST|COOKIE|SERVER)\b",
}
_JAVASCRIPT = {
    "decoded text is evaluated": rb"\b(?:eval|Function)\s*\(\s*(?:atob\s*\(|Buffer\.from\s*\([^)]{0,4000}[\"'](?:base64|hex)[\"']|"
    rb"String\.fromCharCode\s*\()",
    "a download is piped to a shell": rb"exec(?:Sync)?\s*\(\s*[\"'`][^\"'`\n]{0,200}(?:curl|wget)[^\"'`\n]{0,200}\| *(?:ba)?sh",
}
_RUBY = {
    "decoded text is evaluated": rb"\beval\s*\(?\s*(?:Base64\.(?:strict_|urlsafe_)?decode64|Zlib::Inflate|\[[^\]]{4,}\]\.pack)"
}
IDIOMS = {
    kind: {name: re.compile(text, re.IGNORECASE if kind is ScriptKind.PHP else 0) for name, text in patterns.items()}
    for kind, patterns in (
        (ScriptKind.SHELL, _SHELL), (ScriptKind.BUILD, _SHELL), (ScriptKind.PYTHON, _PYTHON), (ScriptKind.PERL, _PERL),
        (ScriptKind.PHP, _PHP), (ScriptKind.JAVASCRIPT, _JAVASCRIPT), (ScriptKind.RUBY, _RUBY),
    )
}  # fmt: skip
_QUOTES = re.compile(rb"(?<=[A-Za-z0-9])([\"'])([A-Za-z0-9]{0,4})\1(?=[A-Za-z0-9])")
_HIDING = re.compile(rb"(?<=[A-Za-z0-9])(?:\\(?=[A-Za-z0-9])|\$@|\$\{@\})(?=[A-Za-z0-9])|\\\n\s*")
_COMMENT = re.compile(rb"^\s*(?:#(?!!)|dnl\b).*$", re.MULTILINE)
_NETWORK = re.compile(rb"(?:^|[|&;(`]|\bthen\b|\bdo\b|\$\()\s*(?:sudo +|exec +)?"
                      rb"((?:/usr)?(?:/bin/)?(?:curl|wget|nc|ncat|netcat|socat|ftp|scp|ssh|telnet))\s",
                      re.MULTILINE)  # fmt: skip
_BLOB = re.compile(rb"[A-Za-z0-9+/=]{2000,}|(?:\\x[0-9a-fA-F]{2}){400,}")


def script_kind(path: str, data: bytes) -> ScriptKind | None:
    """By its first line, then its name and place; None for what is no script."""
    name = path.rsplit("/", 1)[-1]
    if data.startswith(b"#!"):
        first = data[: data.find(b"\n", 0, 300)] if b"\n" in data[:300] else data[:300]
        for pattern, kind in _INTERPRETERS:
            if pattern.search(first):
                return kind
    if b"\x00" in data[:4096]:
        return None
    ending = "." + name.rsplit(".", 1)[-1] if "." in name else ""
    if ending in _ENDINGS:
        return _ENDINGS[ending]
    if name in _BUILD_NAMES:
        return ScriptKind.BUILD
    return ScriptKind.SHELL if path.startswith(_PLACES) else None


def idioms(kind: ScriptKind, data: bytes) -> dict[str, tuple[str, ...]]:
    """Idiom → up to five excerpts of at most 200 characters, hostile text."""
    text = data[:MAX_SCRIPT_BYTES]
    shell = kind in (ScriptKind.SHELL, ScriptKind.BUILD)
    if shell:
        text = _HIDING.sub(b"", _QUOTES.sub(rb"\2", _COMMENT.sub(b"", text)))
    found: dict[str, tuple[str, ...]] = {}
    for name, pattern in IDIOMS[kind].items():
        matches = [
            m[0][:200].decode("utf-8", "backslashreplace")
            for m, _ in zip(pattern.finditer(text), range(5), strict=False)
        ]
        if matches:
            found[name] = tuple(dict.fromkeys(matches))
    if shell and kind is ScriptKind.SHELL and (blob := _BLOB.search(text)):
        found["a long run of encoded data stands in a shell script"] = (blob[0][:60].decode("ascii", "replace"),)
    return found


def script_abilities(kind: ScriptKind, data: bytes) -> frozenset[str]:
    """Programs that use the network and stand where a shell would start them; only for shell and build files."""
    if kind not in (ScriptKind.SHELL, ScriptKind.BUILD):
        return frozenset()
    text = _COMMENT.sub(b"", data[:MAX_SCRIPT_BYTES])
    return frozenset(match[1].rsplit(b"/", 1)[-1].decode("ascii") for match in _NETWORK.finditer(text))
