"""How many colons a text has: the proof that no key stands twice counts them in every record, before and after (`cve_rows`).

`bytes.count` looks at one byte after another. stringzilla has no counting that is quicker, but makes each colon a 1 and all
else a 0, and adds them up, with the processor's widest registers: a fifth of the time (docs/adr/0050). Where it is not
installed, as in an environment from before it, the same is counted as before.
"""

from __future__ import annotations

from collections.abc import Callable

_COLON = ord(":")
_ONE_FOR_A_COLON = bytes(byte == _COLON for byte in range(256))


def _one_by_one(text: bytes | bytearray) -> int:
    return text.count(_COLON)


def _many_at_once() -> Callable[[bytes | bytearray], int]:
    """Raises ImportError."""
    from stringzilla import bytesum, translate

    def count(text: bytes | bytearray) -> int:
        return bytesum(translate(text, _ONE_FOR_A_COLON))  # type: ignore[no-any-return]

    return count


def _quickest() -> Callable[[bytes | bytearray], int]:
    try:
        return _many_at_once()
    except ImportError:
        return _one_by_one


colons_in = _quickest()
