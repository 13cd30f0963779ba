"""Masking recorded requests: what is kept is what a rule allows and nothing in it looks like a secret.

The rules (this file also runs on the host that has the log, as a module of the playbooks: Python's own library only):

1. Headers and values of query parameters are kept only by name, from the policy's allow-lists; of headers never those that
   hold credentials (NEVER), whatever the policy says. A name that is not allowed stays, with `masked` for its value, unless
   the name looks like a secret itself.
2. What is kept, and every part of the path, is looked at after percent-decoding (as often as it is encoded, up to four
   times): e-mail addresses, card numbers (13 to 19 digits, Luhn), long random words and JSON web tokens are masked, and
   so is the part of a path that follows a telling word (`token/…`, `reset/…`) and everything behind a `;`.
3. Text that still is encoded after that, does not decode, or holds control characters is masked as a whole.
4. Masking twice gives the same. The fragment, and user and host of an absolute address, are dropped.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection
from itertools import pairwise
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

MASKED = "masked"
NEVER = frozenset(
    (
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "x-auth-token",
        "x-csrf-token",
        "x-amz-security-token",
    )
)
TELLING = re.compile(
    r"(?i)(?:pass(?:word|wd)?|pwd|secret|token|jwt|auth|authorization|bearer|api[-_]?key|key|session|sid|otp|pin"
    r"|reset|invite|activate|verify|confirm|magic|signature|sig|credential)s?"
)
RANDOM_FROM = 16  # characters: a hexadecimal key of 64 bits
_EMAIL = re.compile(r"[^\s/@=&?;,<>()\"']+@[^\s/@=&?;,<>()\"']+")
_DIGITS = re.compile(r"\d(?:[ ._-]?\d){11,22}")
_TOKEN = re.compile(rf"[A-Za-z0-9+/_=~.-]{{{RANDOM_FROM},}}")
_JWT = re.compile(r"[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*")
_WORD = re.compile(r"[A-Za-z0-9]+")
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z0-9_.\[\]-]{0,39}")
_STILL_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_DECODINGS = 4


def mask_target(target: str, keep_query: Collection[str]) -> tuple[str, str]:
    """(path, query without its `?`) of a request's target, masked. The path starts with a slash."""
    try:
        parts = urlsplit(target if not target.startswith("//") else "/" + target.lstrip("/"))
    except ValueError:
        return "/" + MASKED, ""
    path = parts.path if parts.path.startswith("/") else "/" + parts.path
    return mask_path(path), mask_query(parts.query, keep_query)


def mask_path(path: str) -> str:
    """The path with every part masked that looks like a secret or follows a telling word."""
    found, telling = [], False
    for raw in path.split("/"):
        bare, has_parameters, _parameters = raw.partition(";")
        plain = decoded(bare)
        if plain is None or (telling and plain not in ("", MASKED)) or looks_secret(plain):
            found.append(MASKED)
        else:
            found.append(quote(plain, safe="-._~!$&'()*+,:@"))
        if has_parameters:
            found[-1] += ";" + MASKED
        if plain:
            telling = plain != MASKED and TELLING.fullmatch(plain) is not None
    return "/".join(found)


def mask_query(query: str, keep: Collection[str]) -> str:
    """The query with values only of parameters in `keep`, and of these only what does not look like a secret."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=200)
    except ValueError:
        return MASKED
    found = []
    for name, value in pairs:
        shown = name if name == MASKED or (_PARAMETER.fullmatch(name) and not looks_secret(name)) else MASKED
        plain = decoded(value)
        kept = name in keep and not TELLING.fullmatch(name) and plain is not None and not looks_secret(plain)
        found.append((shown, value if kept or value == "" else MASKED))
    return urlencode(found)


def mask_headers(headers: dict[str, str], keep: Collection[str]) -> dict[str, str]:
    """The headers (lower-case names) that are allowed, without those whose value looks like a secret."""
    allowed = {name.lower() for name in keep} - NEVER
    found = {}
    for name, value in headers.items():
        plain = decoded(value)
        if name.lower() in allowed and plain is not None and not looks_secret(plain):
            found[name.lower()] = value
    return found


def decoded(text: str) -> str | None:
    """The text without percent-encoding; None where it cannot be understood: then it is not to be kept."""
    for _ in range(MAX_DECODINGS):
        if not _STILL_ENCODED.search(text):
            break
        try:
            text = unquote(text, errors="strict")
        except UnicodeDecodeError:
            return None
    return None if _STILL_ENCODED.search(text) or _CONTROL.search(text) else text


def looks_secret(text: str) -> bool:
    """Whether there is anything in the text that looks like personal data or a credential."""
    if text == MASKED:
        return False
    if _EMAIL.search(text) or _JWT.search(text):
        return True
    if any(_is_card(re.sub(r"\D", "", match.group(0))) for match in _DIGITS.finditer(text)):
        return True
    return any(_is_random(match.group(0)) for match in _TOKEN.finditer(text)) or any(
        _is_random(match.group(0)) for match in _WORD.finditer(text)
    )


def _is_card(digits: str) -> bool:
    """Whether 13 to 19 of these digits, in a row, pass Luhn's check (ISO/IEC 7812-1)."""
    return any(
        luhn(digits[start : start + length]) for length in range(13, 20) for start in range(len(digits) - length + 1)
    )


def luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_random(text: str) -> bool:
    """Long, and not made of words: letters and digits mixed, capitals inside, or more entropy than language has."""
    if len(text) < RANDOM_FROM:
        return False
    if text.isdigit():
        return len(text) >= 20  # ids are shorter
    words = _WORD.findall(text)
    longest = max(words, key=len, default="")
    if _mixed(longest) and len(longest) >= 8 and (len(longest) >= RANDOM_FROM or len(words) > 1):
        return True
    if len(longest) >= 24 or (len(longest) >= RANDOM_FROM and _mixed(longest)):
        return True
    # base64 with its own punctuation: words of it are short, but mixed
    return len(words) > 1 and sum(1 for word in words if _mixed(word)) * 2 > len(words) and _entropy(text) > 3.0


def _mixed(word: str) -> bool:
    """Letters with digits among them, or capitals among small letters, as words do not have them."""
    changes = sum(1 for a, b in pairwise(word) if _class(a) != _class(b))
    return changes >= 3 and len({_class(character) for character in word}) > 1


def _class(character: str) -> int:
    return 0 if character.isdigit() else 1 if character.isupper() else 2


def _entropy(text: str) -> float:
    counts = Counter(text)
    return -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
