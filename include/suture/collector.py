"""Python's collector of cycles, paused where a great many objects are made that are no rubbish."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused() -> Iterator[None]:
    """Rows and packages are trees that refer to nothing that refers back: to walk the growing heap for cycles again and again is up to
    a quarter of the time. Switched on again where it was on; another thread's rubbish waits as long."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
