"""Matching: which advisory is open on which host.

The rules:

1. An advisory is open on a host while any installed component of its package is a version that was decided affected
   (pairs.py, deciding.py): for Debian in exact Debian order, by source package. A package that is removed but not purged
   is not installed; one that is half-configured is.
2. An advisory for one distribution release says nothing about another; one that names none is for all.
3. Distinct (ecosystem, package, version, release) pairs are decided once, and fanned out to hosts in SQL
   (store/fan_out.py).
4. A finding closes when the host no longer shows it, and opens again, with its clock anew, when it comes back: after a
   downgrade, or when the advisory's range moved and the host's version is in it again. An accepted risk stays accepted
   while it is open. `fixed` is what the host changed; what closes without a change on the host (the advisory withdrawn,
   a range moved, an excuse, another advisory that says the same) is `withdrawn`.
5. Nothing closes while the fix is half installed, or while the kernel that runs is not known to be the new one. A
   finding that takes another one's place (the same vulnerability, a newer fix) takes its clock.
6. A version that is no version matches nothing and is reported: uncertain is not the same as safe.

7. Once everything was matched, only what changed since is looked at: hosts with other packages or facts, advisories
   whose pairs changed. The findings are then as a run over everything would leave them.

What matching finds is not yet scored: until it is, the policy's rule for the unscored holds. Where `decide` is given
(risk/scoring.py: `Decider`), new findings get their decision in the same write.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from suture import evidence
from suture.inventory.pairs import decide_pairs
from suture.model import Priority
from suture.store import Store
from suture.store.fan_out import Changes, Decide, Scope, Unscored, fan_out
from suture.store.holdings import keep_holdings

_PART = 0.3  # of the hosts: where more changed, a run over everything is no slower


@dataclass(frozen=True)
class MatchCounts:
    """What one matching changed. unreadable: hosts' versions that no order can read."""

    new: int
    reopened: int
    updated: int
    fixed: int
    withdrawn: int
    unreadable: int

    @property
    def sentence(self) -> str:
        text = (
            f"{self.new} findings new, {self.reopened} opened again, {self.updated} with another installed version, "
            f"{self.fixed} fixed, {self.withdrawn} withdrawn."
        )
        return text + (f" {self.unreadable} versions could not be read and match nothing." if self.unreadable else "")


def match_all(
    store: Store,
    *,
    now: datetime,
    unscored_priority: Priority,
    unscored_deadline: timedelta,
    decide: Decide | None = None,
    whole: bool = False,
    actor: str = "suture:risk_scoring",
) -> MatchCounts:
    """Bring the findings to what hosts and advisories say now, with evidence when anything changed.

    whole: look at everything, also where only a part changed.
    """
    started = time.monotonic()
    unscored = Unscored(unscored_priority.value, now + unscored_deadline)
    with store.transaction():
        store.execute("matching/lock_matching")
        if decide is not None:
            store.execute("finding/forget_fact_changes")
        scopes, uncertain = _scopes(store, now=now, whole=whole)
        changes = Changes()
        for scope in scopes:
            changes += fan_out(store, scope, unscored=unscored, now=now, decide=decide)
        if scopes:
            _note_run(store, scopes, changes, seconds=time.monotonic() - started, now=now)
        return _counted(store, changes, uncertain, actor=actor, now=now)


def match_hosts(
    store: Store,
    host_ids: Sequence[str],
    *,
    now: datetime,
    unscored_priority: Priority,
    unscored_deadline: timedelta,
    decide: Decide | None = None,
    actor: str = "suture:risk_scoring",
) -> MatchCounts:
    """Match some hosts only, as after a patch or for one host's page. Their marks stay for the next `match_all`."""
    unscored = Unscored(unscored_priority.value, now + unscored_deadline)
    with store.transaction():
        store.execute("matching/lock_matching")
        pairs = decide_pairs(store, now=now, host_ids=host_ids)
        changes = fan_out(store, Scope(host_ids=tuple(host_ids)), unscored=unscored, now=now, decide=decide)
        return _counted(store, changes, pairs.uncertain, actor=actor, now=now)


def _scopes(store: Store, *, now: datetime, whole: bool) -> tuple[list[Scope], tuple[str, ...]]:
    """What has to be looked at, its pairs decided; and what could not be compared.

    The marks are taken before anything is read, and before holdings are kept: what comes in later leaves new ones.
    """
    marked = store.fetch_one("matching/take_changes")
    assert marked is not None
    hosts, packages = marked["hosts"], marked["packages"]
    if marked["holdings"]:
        keep_holdings(store)
    if whole or not marked["matched_whole"] or len(hosts) > max(1, _PART * marked["fleet"]):
        pairs = decide_pairs(store, now=now, holdings_kept=True)
        store.fetch_all("matching/take_advisory_changes")  # all are looked at
        return [Scope()], pairs.uncertain
    uncertain: tuple[str, ...] = ()
    if hosts or packages:
        of_hosts = store.fetch_all("matching/list_host_packages", {"host_ids": hosts}) if hosts else []
        wanted = None if "*" in packages else [*packages, *(row["package"] for row in of_hosts)]
        uncertain = decide_pairs(store, now=now, packages=wanted, holdings_kept=True).uncertain
    advisories = [row["advisory_id"] for row in store.fetch_all("matching/take_advisory_changes")]
    scopes = [Scope(host_ids=hosts)] if hosts else []
    return scopes + ([Scope(advisory_ids=advisories)] if advisories else []), uncertain


def _counted(store: Store, changes: Changes, uncertain: Sequence[str], *, actor: str, now: datetime) -> MatchCounts:
    unreadable = store.fetch_all("finding/list_unreadable_versions")
    counts = MatchCounts(
        new=changes.new,
        reopened=changes.reopened,
        updated=changes.updated,
        fixed=changes.fixed,
        withdrawn=changes.withdrawn,
        unreadable=len(unreadable),
    )
    if changes.new or changes.reopened or changes.updated or changes.fixed or changes.withdrawn or changes.kept:
        evidence.record(
            store,
            actor=actor,
            action="findings_matched",
            subject="findings:all",
            grounds={
                **asdict(counts),
                "unreadable_versions": [row["version"] for row in unreadable[:50]],
                "not_compared": list(uncertain[:50]),
            },
            at=now,
        )
    return counts


def _note_run(store: Store, scopes: Sequence[Scope], changes: Changes, *, seconds: float, now: datetime) -> None:
    whole = list(scopes) == [Scope()]
    store.execute(
        "matching/insert_match_run",
        {
            "scope": "all" if whole else "changes",
            "engine": "sql",
            "hosts": changes.hosts,
            "advisories": None if whole else sum(len(scope.advisory_ids or ()) for scope in scopes),
            "seconds": round(seconds, 3),
            "matched_at": now,
        },
    )
