"""The practice fleet: real Debian hosts on this machine, in user namespaces. See README.md and `python -m lab --help`."""

from __future__ import annotations

import sys
from pathlib import Path

# `python -m lab` from a fresh shell: the domain's package (errors, settings) lies in include/.
_INCLUDE = str(Path(__file__).resolve().parents[1] / "include")
if _INCLUDE not in sys.path:
    sys.path.append(_INCLUDE)

from lab.doctor import Finding, doctor  # noqa: E402

__all__ = ["Finding", "doctor"]
