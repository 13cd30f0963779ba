"""Why a package's archive is not read: a closed set of faults, the error that carries one, and the limits that some of them guard.

Every fault refuses the whole package: what one reader sees and another does not is where things are hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from suture.sourcing.refusal import Refusal, RefusalReason

MIB = 1024 * 1024


class Fault(StrEnum):
    """What is wrong with the archive."""

    NOT_A_PACKAGE = "not_a_package"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    TRAILING_DATA = "trailing_data"
    CONTROL = "control"
    ABSOLUTE_NAME = "absolute_name"
    TRAVERSAL = "traversal"
    BAD_NAME = "bad_name"
    DUPLICATE = "duplicate"
    DEVICE = "device"
    LINK_ESCAPE = "link_escape"
    UNUSUAL_TYPE = "unusual_type"
    TOO_MANY_MEMBERS = "too_many_members"
    TOO_LARGE = "too_large"
    TOO_DEEP = "too_deep"
    BOMB = "bomb"


class PackageUnreadable(Refusal):
    """A package file that is refused unread. file: its name. member: where in it ('' when it is the whole). fault: see above.
    why: the reason alone.

    As a Refusal its reason is TRUNCATED or MALFORMED.
    """

    def __init__(self, fault: Fault, why: str, *, file: str, member: str = "") -> None:
        reason = RefusalReason.TRUNCATED if fault is Fault.TRUNCATED else RefusalReason.MALFORMED
        where = f"{file}: {shown(member)}" if member else file
        super().__init__(reason, f"{where} is refused: {why}.", subject=file)
        self.fault = fault
        self.why = why
        self.file = file
        self.member = member


@dataclass(frozen=True)
class Limits:
    """What a package may hold. Debian's largest (kernel debug symbols, games' data) stay below half of each.

    ratio: unpacked bytes per packed byte, asked once more than `ratio_free_bytes` were unpacked: small packages of blank
    pictures reach 300, bombs 1,000 and more.
    """

    members: int = 500_000
    unpacked_bytes: int = 16 * 1024 * MIB
    file_bytes: int = 4 * 1024 * MIB
    ratio: int = 200
    ratio_free_bytes: int = 64 * MIB
    path_bytes: int = 1024
    depth: int = 40
    control_bytes: int = 64 * MIB
    control_members: int = 64
    header_bytes: int = 64 * 1024  # a long name or a pax header, which are held in memory
    xz_memory_bytes: int = 512 * MIB
    zstd_window_bytes: int = 128 * MIB


def shown(text: str, most: int = 200) -> str:
    """Hostile text for a sentence: control characters escaped, cut."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text[: most + 1])
    return plain if len(text) <= most else plain[:most] + "…"
