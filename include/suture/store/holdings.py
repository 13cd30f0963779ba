"""What hosts have, kept between matchings: `holding`, `host_holding`, `holding_group`.

The rules:

1. A holding is what a host has of one source package: packages, versions, what dpkg says of them. Hosts of one image have the
   same ones, so that a fleet has some thousands. `host_holding` says which a host has, `holding_group` which hosts have one.
2. Whatever changes what a host has, or its kind, leaves a mark (`holding_change`, by triggers). Keeping takes the marks and
   looks at these hosts only; a host without news costs nothing. A host that is retired or gone has none.
3. The inventory keeps them when it has written its hosts, a matching before it reads them: what came in between. Both under
   one lock, in the caller's transaction, so that a reader sees hosts either as they were or as they are. The inventory does
   not wait for a matching: the marks stay for the next one.
"""

from __future__ import annotations

from suture.store.connection import Store

_LOCK_KEY = 0x5075_6D6D  # any constant
_CHUNK_HOSTS = 1_024


def keep_holdings(store: Store, *, wait: bool = True) -> int:
    """Bring the holdings of hosts that changed up to date; how many hosts were marked.

    wait: for one who keeps them at the same time, up to 15 minutes; else nothing is done then, and the marks stay.
    """
    marked = store.fetch_one("holding/fetch_marked")
    if not marked or not marked["is_marked"]:
        return 0
    with store.transaction():
        store.execute("holding/open_work")
        if wait:
            store.execute("holding/lock_holdings", {"key": _LOCK_KEY})
        elif not (store.fetch_one("holding/try_lock_holdings", {"key": _LOCK_KEY}) or {}).get("is_held"):
            return 0
        hosts = {"host_ids": [row["host_id"] for row in store.fetch_all("holding/take_changes")]}
        store.execute("holding/number_hosts", hosts)
        store.execute("holding/insert_kinds", hosts)
        count = store.execute("holding/fill_marked", {**hosts, "chunk_hosts": _CHUNK_HOSTS})
        store.execute("holding/analyze_work")
        for chunk in range(-(-count // _CHUNK_HOSTS)):
            _keep(store, chunk)
    return count


def _keep(store: Store, chunk: int) -> None:
    part = {"chunk": chunk}
    store.execute("holding/empty_work")
    store.execute("holding/fill_holdings", part)
    store.execute("holding/fill_regrouped", part)
    store.execute("holding/upsert_groups")
    store.execute("holding/delete_empty_groups")
    store.execute("holding/delete_unused_holdings")
    store.execute("holding/upsert_host_holdings")
    store.execute("holding/delete_host_holdings", part)
