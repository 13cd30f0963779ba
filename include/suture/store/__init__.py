"""The store: the only room that runs SQL. `Store` is a connection; each noun has a module of functions."""

from suture.store.connection import Store, StoreError, StoreUnavailableError
from suture.store.migrations import migrate

__all__ = ["Store", "StoreError", "StoreUnavailableError", "migrate"]
