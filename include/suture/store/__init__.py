"""The store: the only room that runs SQL. `Store` is a connection; each noun has a module of functions.

`Json` wraps a value that goes into a jsonb column where its type does not say so (an empty list, a list of strings).
"""

from psycopg.types.json import Jsonb as Json

from suture.store.connection import DuplicateKeyError, Store, StoreError, StoreUnavailableError
from suture.store.migrations import migrate

__all__ = ["DuplicateKeyError", "Json", "Store", "StoreError", "StoreUnavailableError", "migrate"]
