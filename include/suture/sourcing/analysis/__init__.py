"""What is in a package: readers that trust nothing in it, and the examiners that speak of it (`sourcing/examination.py`).

An examiner is a module of this package, named as in examination.yaml, with `examine(subject) -> Examination`. One that policy
names and that does not exist yet is not run, and whoever asks is told which did.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import cast

from suture.sourcing.examination import ExaminationPolicy, Examiner

# The order in which they run and are shown.
EXAMINERS = {
    "notes": "suture.sourcing.analysis.notes",
    "binary": "suture.sourcing.analysis.binary",
    "sbom": "suture.sourcing.analysis.sbom",
    "provenance": "suture.sourcing.analysis.provenance",
}


def examiners(policy: ExaminationPolicy) -> dict[str, Examiner]:
    """Those that look into package files, that policy enables, and that exist; by name, in order."""
    found: dict[str, Examiner] = {}
    for name, module in EXAMINERS.items():
        if policy.settings(name)["enabled"] and find_spec(module) is not None:
            found[name] = cast(Examiner, import_module(module).examine)
    return found
