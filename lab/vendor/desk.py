"""The vendor's case desk: takes a request for a hotfix, acknowledges it, and publishes the hotfix, in the vendor's own time.

It speaks the protocol of suture.sourcing.cases.desk. What it was asked is kept in `vendor`/hotfix/cases.json. The hotfix is published
in a repository of its own (`vendor`/hotfix/public), signed with the vendor's key as every release is.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.vendor.packages import PACKAGE
from lab.vendor.repository import publish

HOTFIX = "hotfix"
HOTFIX_OF, HOTFIX_VERSION = "1.0.1", "1.0.1+hotfix1"
ACKNOWLEDGED_AFTER_S, PUBLISHED_AFTER_S = 5.0, 20.0
_CASE = re.compile(r"^[A-Za-z0-9-]{1,40}$")


class Desk:
    """`clock` gives seconds; tests bring their own."""

    def __init__(self, vendor: Path, secrets: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = vendor / HOTFIX
        self._secrets = secrets
        self._clock = clock
        self._lock = threading.Lock()

    def ask(self, body: bytes) -> dict[str, Any]:
        """Take a request, or find it again by its case. Raises LabError for one that cannot be read."""
        try:
            asked = json.loads(body)
            case, product = str(asked["case"]), str(asked["product"])
        except (ValueError, KeyError, TypeError) as error:
            raise LabError("A request names its case and product, as JSON.") from error
        if not _CASE.match(case):
            raise LabError("That is no case's number.")
        with self._lock:
            cases = self._read()
            known = next((ref for ref, entry in cases.items() if entry["case"] == case), None)
            if known is None:
                known = f"ACME-{len(cases) + 1}"
                cases[known] = {"case": case, "product": product, "asked_at": self._clock()}
                self._write(cases)
        return self.status(known)

    def status(self, reference: str) -> dict[str, Any]:
        """Where a case stands. Publishes the hotfix when it is due. Raises LabError for an unknown reference."""
        with self._lock:
            entry = self._read().get(reference)
            if entry is None:
                raise LabError("The desk knows no case of that reference.")
            if entry["product"] != PACKAGE:
                return {"reference": reference, "status": "declined", "message": f"We make {PACKAGE} only."}
            waited_s = self._clock() - entry["asked_at"]
            if waited_s < ACKNOWLEDGED_AFTER_S:
                return {"reference": reference, "status": "received"}
            if waited_s < PUBLISHED_AFTER_S:
                return {"reference": reference, "status": "acknowledged", "message": "We can reproduce it."}
            if not (self._folder / "public").exists():
                # With the version that it is a hotfix of, so that hosts can go back.
                publish(self._folder, self._secrets, [HOTFIX_OF, HOTFIX_VERSION])
        return {
            "reference": reference,
            "status": "fix_available",
            "message": "The hotfix is in our hotfix repository; the regular release follows.",
            "hotfix": {"version": HOTFIX_VERSION},
        }

    def _read(self) -> dict[str, dict[str, Any]]:
        path = self._folder / "cases.json"
        found: dict[str, dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else {}
        return found

    def _write(self, cases: dict[str, dict[str, Any]]) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / "cases.part"
        part.write_text(json.dumps(cases, indent=2) + "\n", "utf-8")
        part.replace(self._folder / "cases.json")
