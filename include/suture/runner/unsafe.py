"""Text that Ansible must never evaluate.

ansible-core 2.19 runs Jinja that it finds in extra variables and in inventory variables, on the control machine. Every
string that we hand over is therefore wrapped as {"__ansible_unsafe": text}:
its JSON decoder makes it plain, inert text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from suture.errors import BadInputError


def wrapped(value: Any) -> Any:
    """The JSON value with every string wrapped, at every depth. Keys stay: they are never templated."""
    if isinstance(value, str):
        return {"__ansible_unsafe": value}
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        for key in value:
            # A key that Ansible's decoder would take for a mark of its own must not come from outside.
            if not isinstance(key, str) or key.startswith("__ansible"):
                raise BadInputError(f"{key!r} may not be a name of a value that goes to hosts.")
        return {key: wrapped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [wrapped(item) for item in value]
    raise BadInputError(f"{type(value).__name__} is not JSON and cannot go to hosts.")
