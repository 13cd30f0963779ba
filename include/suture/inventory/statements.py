"""VEX: what somebody who knows says of a vulnerability in a package, and whether that excuses it.

The rules:

1. Scope. A statement counts for a package that it names itself; one about a part of another product (an image, a
   bundle) says nothing of the same package on a host. A release or a distribution that it names must be the host's; a
   version that it names must be the installed one.
2. `fixed` names the version that is fixed. A distribution's later versions, of the same release, are fixed with it; it
   never speaks for an upstream version, nor without a version.
3. Of one source's statements on the same thing the latest counts; an undated one gives way to any that is dated; of
   equally late ones the one that worries most.
4. Of several sources the one that worries most counts: `affected`, then `under_investigation`, then the excuses.
5. An excuse that is older than the advisory's own date excuses nothing: the advisory came later, and knows more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.inventory.versions import BadVersionError, order_of

WORRY = ("affected", "under_investigation", "fixed", "not_affected")


@dataclass(frozen=True)
class Installed:
    """One version of one package, on any number of hosts. codename: '' where hosts say none or it does not matter;
    os_id: the distribution as /etc/os-release names it, None where it is not known (files)."""

    ecosystem: str
    package: str
    version: str
    codename: str = ""
    os_id: str | None = None


@dataclass(frozen=True)
class Statement:
    """One VEX statement, as table vex_statement keeps it. version None: every version; dated_at None: undated."""

    source: str
    author: str
    vulnerability: str
    ecosystem: str
    package: str
    status: str
    product: str = ""
    subcomponent: str = ""
    version: str | None = None
    codename: str = ""
    justification: str | None = None
    dated_at: datetime | None = None

    def grounds(self) -> dict[str, Any]:
        return {
            "vulnerability": self.vulnerability,
            "status": self.status,
            "justification": self.justification,
            "by": self.author,
            "source": self.source,
            "dated_at": self.dated_at.isoformat() if self.dated_at else None,
        }


def statement_of(row: Mapping[str, Any]) -> Statement:
    """A row of vex_statement, from the warehouse or from a decoder (its date is text there)."""
    dated = row["dated_at"]
    return Statement(
        source=row["source"], author=row["author"], vulnerability=row["vulnerability"], ecosystem=row["ecosystem"],
        package=row["package"], status=row["status"], product=row["product"], subcomponent=row["subcomponent"] or "",
        version=row["version"], codename=row["codename"] or "", justification=row["justification"],
        dated_at=datetime.fromisoformat(dated) if isinstance(dated, str) else dated,
    )  # fmt: skip


def applies(statement: Statement, installed: Installed) -> bool:
    """Rules 1 and 2. A version that cannot be compared applies to nothing."""
    if statement.subcomponent or (statement.ecosystem, statement.package) != (installed.ecosystem, installed.package):
        return False
    if statement.codename not in ("", installed.codename) or (not statement.codename and _of_another(statement, installed)):
        return False
    if statement.version is None:
        return statement.status != "fixed"
    try:
        compared = order_of(installed.ecosystem).compare(installed.version, statement.version)
    except BadVersionError:
        return False
    distributions_own = installed.ecosystem in ("deb", "rpm") and bool(statement.codename)
    return compared == 0 or (statement.status == "fixed" and distributions_own and compared > 0)


def _of_another(statement: Statement, installed: Installed) -> bool:
    """Without a release, the purl's namespace has to name the host's distribution, where the host says one."""
    if installed.ecosystem not in ("deb", "rpm") or installed.os_id is None:
        return False
    return not installed.os_id or not statement.product.startswith(f"pkg:{installed.ecosystem}/{installed.os_id}/")


def what_counts(statements: Sequence[Statement], *, since: datetime | None) -> Statement | None:
    """The one of these statements (all of them apply, all on one vulnerability) that counts; None when none does.

    since: the advisory's own date (rule 5), None when it has none.
    """
    by_source: dict[str, list[Statement]] = defaultdict(list)
    for statement in statements:
        by_source[statement.source].append(statement)
    latest = [max(found, key=_late_then_worrying) for found in by_source.values()]
    heard = [item for item in latest if item.status in WORRY[:2] or not _older(item.dated_at, since)]
    return min(heard, key=lambda item: WORRY.index(item.status), default=None)


def by_package(statements: Iterable[Statement]) -> dict[tuple[str, str], list[Statement]]:
    found: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for statement in statements:
        found[statement.ecosystem, statement.package].append(statement)
    return found


def _late_then_worrying(statement: Statement) -> tuple[float, int]:
    moment = statement.dated_at.timestamp() if statement.dated_at else float("-inf")
    return moment, -WORRY.index(statement.status)


def _older(dated_at: datetime | None, since: datetime | None) -> bool:
    return dated_at is not None and since is not None and dated_at < since
