"""Package URLs, read strictly (ECMA-427, and the type definitions beside it).

packageurl-python reads what is near a purl too, and misses part of the standard's own test suite; an SBOM is compared by its
purls, so that two spellings of one package must be one, and a spelling that is none must not pass. The rules:

1. `pkg:type/namespace/name@version?qualifiers#subpath`. A type is [a-z][a-z0-9.-]* (upper case is folded); the name is
   never empty; the scheme may be followed by slashes, which do not count.
2. Segments are percent-decoded once. A decoded segment holds no slash where a slash would change its meaning; `.` and
   `..` do not count in a subpath and are refused in a namespace. A percent sign that starts no escape is refused.
3. Qualifier keys are [a-z][a-z0-9._-]*, each once, sorted; upper case is folded (the suite's own tests contradict one another
   there: it takes `repositorY_url` of maven and refuses `Arch` of rpm); an empty value is no value.
4. Types fold what their world folds: letter case (github, pypi, deb …), `_` to `-` (pypi), the scopes of npm; and
   demand what theirs demands (a namespace for maven, github, composer …; none for cargo, gem, pypi …).
5. The canonical text escapes all but letters, digits, `.`, `-`, `_`, `~` and the colon.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from suture.errors import BadInputError

MAX_LENGTH = 4_000
_TYPE = re.compile(r"[a-z][a-z0-9.-]*")
_KEY = re.compile(r"[a-z][a-z0-9._-]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_~:")


class BadPurlError(BadInputError):
    """A text that is no purl. why: the reason alone."""

    def __init__(self, text: str, why: str) -> None:
        super().__init__(f"{text[:200]!r} is no package URL: {why}.")
        self.why = why


@dataclass(frozen=True, order=True)
class Purl:
    """The parts, decoded and folded. '' where there is none. qualifiers: sorted by key."""

    type: str
    namespace: str
    name: str
    version: str = ""
    qualifiers: tuple[tuple[str, str], ...] = ()
    subpath: str = ""

    @cached_property
    def without_version(self) -> str:
        """pkg:type/namespace/name."""
        names = self.name.split("/") if self.type == "git" else [self.name]  # a repository's path on its host
        path = [_escaped(part) for part in (*self.namespace.split("/"), *names) if part]
        return f"pkg:{self.type}/{'/'.join(path)}"

    def __str__(self) -> str:
        """The canonical text."""
        version = f"@{_escaped(self.version)}" if self.version else ""
        pairs = "&".join(f"{key}={_escaped(value)}" for key, value in self.qualifiers)
        subpath = "/".join(_escaped(part) for part in self.subpath.split("/") if part)
        return self.without_version + version + (f"?{pairs}" if pairs else "") + (f"#{subpath}" if subpath else "")

    def qualifier(self, key: str) -> str:
        """'' where there is none."""
        return dict(self.qualifiers).get(key, "")


def parse(text: str) -> Purl:
    """Raises BadPurlError."""
    if len(text) > MAX_LENGTH or not text.isprintable() or " " in text:
        raise BadPurlError(text, f"it is longer than {MAX_LENGTH} characters, or holds blanks or control characters")
    if _BAD_ESCAPE.search(text):
        raise BadPurlError(text, "a percent sign starts no escape")
    rest, _hash, subpath = text.partition("#")
    rest, _mark, query = rest.partition("?")
    scheme, colon, rest = rest.partition(":")
    if not colon or scheme.lower() != "pkg":
        raise BadPurlError(text, "it does not begin with pkg:")
    kind, slash, rest = rest.lstrip("/").partition("/")
    kind = kind.lower()
    if not slash or not _TYPE.fullmatch(kind):
        raise BadPurlError(text, "it has no type, or one with other characters than letters, digits, '.' and '-'")
    *namespace, last = rest.strip("/").split("/")
    # A scope of npm may stand unescaped: an @ at the beginning of a segment is part of it.
    name, at, version = last.rpartition("@") if "@" in last[1:] else (last, "", "")
    if last.startswith("@") and not at:
        raise BadPurlError(text, "it has no name")
    return build(
        kind,
        "/".join(_segments(text, namespace)),
        _decoded(text, name),
        _decoded(text, version),
        _qualifiers(text, query),
        "/".join(part for part in _segments(text, subpath.split("/")) if part not in (".", "..")),
        text=text,
    )


def build(
    kind: str,
    namespace: str,
    name: str,
    version: str = "",
    qualifiers: Iterable[tuple[str, str]] = (),
    subpath: str = "",
    *,
    text: str | None = None,
) -> Purl:
    """A purl from its decoded parts, folded and checked by its type's rules. Raises BadPurlError (naming `text`)."""
    kind = kind.lower()
    said = text if text is not None else f"pkg:{kind}/{namespace}/{name}@{version}"
    if not _TYPE.fullmatch(kind) or not name:
        raise BadPurlError(said, "it has no name" if _TYPE.fullmatch(kind) else "its type is none")
    pairs = {key.lower(): value for key, value in qualifiers if value}
    for key in pairs:
        if not _KEY.fullmatch(key):
            raise BadPurlError(said, f"the qualifier {key[:40]!r} is no key")
    if kind == "git" and "/" in namespace:  # the host is the namespace, the whole path the name
        namespace, _slash, path = namespace.partition("/")
        name = f"{path}/{name}"
    found = _folded(Purl(kind, namespace.strip("/"), name, version, tuple(sorted(pairs.items())), subpath.strip("/")))
    for rule, why in _DEMANDS.get(kind, ()):
        if not rule(found):
            raise BadPurlError(said, why)
    return found


def _segments(text: str, parts: Iterable[str]) -> list[str]:
    found = []
    for part in parts:
        segment = _decoded(text, part)
        if "/" in segment:
            raise BadPurlError(text, "an escaped slash stands inside a segment")
        if segment:
            found.append(segment)
    return found


def _decoded(text: str, part: str) -> str:
    raw, encoded = bytearray(), part.encode("utf-8")
    place = 0
    while place < len(encoded):
        if encoded[place : place + 1] == b"%":
            raw.append(int(encoded[place + 1 : place + 3], 16))
            place += 3
        else:
            raw.append(encoded[place])
            place += 1
    try:
        found = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadPurlError(text, "its escapes are not UTF-8") from error
    if any(not (character.isprintable() or character == " ") for character in found):
        raise BadPurlError(text, "its escapes hide control characters")
    return found


def _qualifiers(text: str, query: str) -> list[tuple[str, str]]:
    found: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        key, equals, value = pair.partition("=")
        key = key.lower()
        if not equals or not _KEY.fullmatch(key):
            raise BadPurlError(text, f"{pair[:40]!r} is no qualifier")
        if key in found:
            raise BadPurlError(text, f"the qualifier {key[:40]!r} stands twice")
        found[key] = _decoded(text, value)
    return list(found.items())


def _escaped(text: str) -> str:
    return "".join(chr(byte) if byte in _SAFE else f"%{byte:02X}" for byte in text.encode("utf-8"))


# What each type folds to lower case, beside the type itself.
_LOWER_NAMESPACE = {
    "alpm", "apk", "bitbucket", "brew", "composer", "deb", "github", "gitlab", "hex", "luarocks", "npm", "otp", "qpkg", "rpm",
    "vscode-extension",
}  # fmt: skip
_LOWER_NAME = {
    "alpm", "apk", "bitbucket", "bitnami", "brew", "composer", "deb", "github", "gitlab", "hex", "luarocks", "npm", "oci", "otp",
    "pub", "pypi", "vscode-extension",
}  # fmt: skip
_LOWER_VERSION = {"huggingface", "oci", "pypi"}


def _folded(purl: Purl) -> Purl:
    name = purl.name.lower() if purl.type in _LOWER_NAME else purl.name
    if purl.type == "pypi":
        name = re.sub(r"[-_.]+", "-", name)
    elif purl.type == "pub":
        name = re.sub(r"[^a-z0-9_]", "_", name)
    elif (purl.type == "git" and purl.namespace in ("bitbucket.org", "github", "github.com")) or (
        purl.type == "mlflow" and "azuredatabricks.net" in purl.qualifier("repository_url")
    ):
        name = name.lower()
    namespace = purl.namespace.lower() if purl.type in _LOWER_NAMESPACE else purl.namespace
    version = purl.version.lower() if purl.type in _LOWER_VERSION else purl.version
    return Purl(purl.type, namespace, name, version, purl.qualifiers, purl.subpath)


_Rule = tuple[Callable[[Purl], bool], str]
_NEEDS_NAMESPACE: _Rule = (lambda purl: bool(purl.namespace), "this type needs a namespace")
_NO_NAMESPACE: _Rule = (lambda purl: not purl.namespace, "this type has no namespace")
_DEMANDS: dict[str, tuple[_Rule, ...]] = {
    **dict.fromkeys(
        ("alpm", "apk", "bitbucket", "composer", "git", "github", "maven", "qpkg", "swift", "vscode-extension"),
        (_NEEDS_NAMESPACE,),
    ),
    **dict.fromkeys(
        (
            "bazel",
            "bitnami",
            "cargo",
            "chrome-extension",
            "cocoapods",
            "conda",
            "cran",
            "gem",
            "hackage",
            "julia",
            "mlflow",
            "nuget",
            "oci",
            "opam",
            "otp",
            "pub",
            "pypi",
            "vcpkg",
        ),
        (_NO_NAMESPACE,),
    ),
}
_DEMANDS["cpan"] = ((lambda purl: "::" not in purl.name, "a distribution of CPAN is written with hyphens"),)
_DEMANDS["julia"] += ((lambda purl: bool(purl.qualifier("uuid")), "this type needs the qualifier uuid"),)
_DEMANDS["swid"] = ((lambda purl: bool(purl.qualifier("tag_id")), "this type needs the qualifier tag_id"),)
_DEMANDS["chrome-extension"] += (
    (lambda purl: bool(re.fullmatch(r"[a-p]{32}", purl.name)), "its name is not 32 letters from a to p"),
    (
        lambda purl: not purl.version or bool(re.fullmatch(r"\d{1,5}(\.\d{1,5}){0,3}", purl.version)),
        "its version is not one to four numbers",
    ),
)
