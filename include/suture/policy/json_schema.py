"""jsonschema, imported in a fifth of the time.

jsonschema looks for libraries that check formats when it is imported. One of them, rfc3987_syntax, then builds a grammar for
the formats `iri` and `iri-reference`: 1.5 s of every command, for formats that no schema of ours names (a test checks that).
So it is not to be found while jsonschema is imported, and afterwards as before. Where jsonschema was imported already, by
Airflow for instance, nothing changes.
"""

from __future__ import annotations

import sys

_GRAMMAR = "rfc3987_syntax"
_hidden = "jsonschema" not in sys.modules and _GRAMMAR not in sys.modules
if _hidden:
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment]  # the import system's own sign for "not there"
try:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError, ValidationError
finally:
    if _hidden:
        del sys.modules[_GRAMMAR]

__all__ = ["Draft202012Validator", "SchemaError", "ValidationError"]
