"""From bytes to text, and text made fit to be kept and shown.

The rules:

1. UTF-8, UTF-16 and UTF-32, by byte order mark, or by where the zero bytes lie (RFC 4627, section 3: what formats begin with
   is ASCII). Nothing else is guessed: Latin-1 would turn any bytes into text.
2. Control characters and those that turn the direction of writing are replaced by U+FFFD in what is kept; a reader says
   where they stood. Line breaks and tabs become blanks.
3. Everything has a limit, and what is beyond it is refused, not cut.
"""

from __future__ import annotations

import codecs
import re

from suture.sourcing.sbom.model import Fault, UnreadableSbomError

MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 100  # CycloneDX nests components; real documents are below 15
MAX_TEXT = 4_000  # characters of a name, a version, a supplier
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip
_UNFIT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
_BREAKS = re.compile(r"[ \t\r\n]+")


def decode(raw: bytes, name: str) -> tuple[str, str]:
    """(text without byte order mark, charset). Raises UnreadableSbomError."""
    if len(raw) > MAX_BYTES:
        raise UnreadableSbomError(name, f"it has more than {MAX_BYTES} bytes", fault=Fault.TOO_LARGE)
    if not raw.strip():
        raise UnreadableSbomError(name, "it is empty")
    for mark, charset in _MARKS:
        if raw.startswith(mark):
            return _decoded(raw[len(mark) :], charset, name), charset
    charset = _by_zeros(raw[:4])
    return _decoded(raw, charset, name), charset


def _by_zeros(start: bytes) -> str:
    one, two, three, four = (byte == 0 for byte in start.ljust(4, b"x"))
    return {
        (True, True, True, False): "utf-32-be", (False, True, True, True): "utf-32-le",
        (True, False, True, False): "utf-16-be", (False, True, False, True): "utf-16-le",
    }.get((one, two, three, four), "utf-8")  # fmt: skip


def _decoded(raw: bytes, charset: str, name: str) -> str:
    try:
        # spdx-tools' reader of tag-value takes no carriage returns; no other format means anything by them.
        return raw.decode(charset).replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise UnreadableSbomError(
            name, f"it is not {charset.upper()}: {error.reason}", place=f"byte {error.start}"
        ) from error


def has_unfit(text: str) -> bool:
    """True where the text holds control characters, or such as turn the direction of writing."""
    return _UNFIT.search(text) is not None


def fit(text: str) -> str:
    """The text as one line, without control characters."""
    return _BREAKS.sub(" ", _UNFIT.sub("\ufffd", text)).strip()


def shown(text: str, longest: int = 120) -> str:
    """For sentences: fit, and no longer than that."""
    found = fit(text)
    return found if len(found) <= longest else found[: longest - 1] + "…"
