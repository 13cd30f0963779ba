"""Speaking with a vendor: the request in words, and the vendor's case desk over HTTP.

There is no standard for asking a vendor for a hotfix; CSAF and security.txt (RFC 9116) say whom to write to. So a vendor is asked
either by a person, with the text that request_text() writes, or at a desk that speaks this small protocol:

    POST ADDRESS                 {"case", "product", "title", "summary", "tlp", "embargo_until", "cve", "acknowledge_by"}
        201                      {"reference": "V-17", "status": …}
    GET  ADDRESS/REFERENCE
        200                      {"reference": "V-17", "status": …, "message": …, "hotfix": {"version": "1.2.3+hotfix1"}}

`status` is received, acknowledged, fix_available or declined. A desk's answer is hostile data: it is read within limits and
against a schema, and it proves nothing. What a hotfix is, the proof of its source says.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from suture.errors import SutureError
from suture.settings import PROJECT_ROOT
from suture.sourcing.cases.case import Case
from suture.sourcing.cases.vendors import DESK, Vendor

TIMEOUT_S = 20.0
MAX_BYTES = 64 * 1024
_REFERENCE = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
_VERSION = re.compile(r"^[0-9][0-9A-Za-z.+:~-]{0,99}$")  # Debian policy 5.6.12


class DeskStatus(StrEnum):
    RECEIVED = "received"
    ACKNOWLEDGED = "acknowledged"
    FIX_AVAILABLE = "fix_available"
    DECLINED = "declined"


@dataclass(frozen=True)
class DeskAnswer:
    """message: the vendor's words, hostile text of at most 2,000 characters. hotfix_version: None unless FIX_AVAILABLE."""

    reference: str
    status: DeskStatus
    message: str = ""
    hotfix_version: str | None = None


class DeskError(SutureError):
    """The desk did not answer, or not in its own words. retryable: trying again may help."""

    def __init__(self, message: str, *, retryable: bool, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.retryable = retryable


def request_text(case: Case, vendor: Vendor, *, acknowledge_by: datetime) -> str:
    """The request as a person sends it: plain text."""
    engine = Environment(
        loader=FileSystemLoader(PROJECT_ROOT / "include" / "templates" / "cases"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - plain text, never shown as HTML
    )
    return engine.get_template("request.txt").render(case=case, vendor=vendor, acknowledge_by=acknowledge_by)


class Desk:
    """A vendor's case desk. Follows no redirect, uses no proxy, reads at most MAX_BYTES."""

    def __init__(self, vendor: Vendor, secrets_dir: Path) -> None:
        if vendor.contact_kind != DESK:
            raise ValueError(f"{vendor.name} has no desk.")
        self._vendor = vendor
        self._address = vendor.contact_address.rstrip("/")
        token = secrets_dir / f"vendor_{vendor.name}.token"
        self._headers = {"Accept": "application/json"}
        if token.exists():
            self._headers["Authorization"] = f"Bearer {token.read_text('utf-8').strip()}"

    def ask(self, case: Case, *, acknowledge_by: datetime) -> DeskAnswer:
        """Send the request; safe to repeat: the desk knows the case by its id."""
        return self._answer("POST", self._address, {
            "case": case.case_id, "product": case.source_package, "title": case.title, "summary": case.summary,
            "tlp": f"TLP:{case.tlp}", "embargo_until": case.embargo_until and case.embargo_until.isoformat(),
            "cve": case.cve_id, "acknowledge_by": acknowledge_by.isoformat(),
        })  # fmt: skip

    def look(self, reference: str) -> DeskAnswer:
        """What the desk says of a case now."""
        return self._answer("GET", f"{self._address}/{quote(reference, safe='')}", None)

    def _answer(self, method: str, url: str, body: dict[str, Any] | None) -> DeskAnswer:
        session = requests.Session()
        session.trust_env = False
        try:
            with session.request(
                method, url, json=body, headers=self._headers, timeout=TIMEOUT_S, allow_redirects=False, stream=True
            ) as answer:
                data = answer.raw.read(MAX_BYTES + 1, decode_content=True)
                status = answer.status_code
        except (requests.RequestException, OSError) as error:
            raise DeskError(
                f"The desk of {self._vendor.title} did not answer: {type(error).__name__}.", retryable=True
            ) from error
        if status >= 500:
            raise DeskError(f"The desk of {self._vendor.title} answered with {status}.", retryable=True)
        if status not in (200, 201):
            raise DeskError(
                f"The desk of {self._vendor.title} refused {method} with {status}.",
                retryable=False,
                remedy="Check its address in vendors.yaml and the token in secrets/, then clear the task.",
            )
        return self._read(data)

    def _read(self, data: bytes) -> DeskAnswer:
        def wrong(why: str) -> DeskError:
            return DeskError(
                f"The answer of {self._vendor.title}'s desk cannot be read: {why}.",
                retryable=False,
                remedy="Ask the vendor.",
            )

        if len(data) > MAX_BYTES:
            raise wrong(f"more than {MAX_BYTES} bytes")
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            raise wrong("it is no JSON") from None
        if not isinstance(found, dict):
            raise wrong("it is no JSON object")
        reference, message = found.get("reference"), found.get("message", "")
        if not isinstance(reference, str) or not _REFERENCE.match(reference):
            raise wrong("its reference is missing or strange")
        if found.get("status") not in list(DeskStatus):
            raise wrong(f"its status is none of {', '.join(DeskStatus)}")
        if not isinstance(message, str) or len(message) > 2000:
            raise wrong("its message is no text of at most 2,000 characters")
        status = DeskStatus(found["status"])
        version = None
        if status is DeskStatus.FIX_AVAILABLE:
            hotfix = found.get("hotfix")
            version = hotfix.get("version") if isinstance(hotfix, dict) else None
            if not isinstance(version, str) or not _VERSION.match(version):
                raise wrong("it names no version of the hotfix")
        return DeskAnswer(reference, status, message, version)
