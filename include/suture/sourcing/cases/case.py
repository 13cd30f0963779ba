"""A vendor case: opening it, moving it, and what happened to it.

The rules:

1. Whoever starts the run opens the case, by their log-in; the form has no field for it. They must be named in vendors.yaml, and
   they request the case's campaign, so they cannot approve it.
2. The scope is narrowed: named hosts, or all production hosts of one asset group; only those where the product is installed.
3. Title and summary may be under embargo: they are kept in the case and sent to its vendor, and stand in no evidence record, log,
   report or campaign. Evidence holds their SHA-256. A form's values can be read by everyone who sees its run: under TLP:RED and
   TLP:AMBER+STRICT the form takes no text, and the case waits until `./suture case describe` gives it.
4. A move is a compare-and-set that names the state it leaves; its event and its evidence are written in the same transaction.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from suture import evidence
from suture.errors import BadInputError
from suture.model import is_cve_id
from suture.sourcing.cases.states import LAWFUL, CaseError, CaseState
from suture.sourcing.cases.vendors import VendorRegister
from suture.store import Json, Store

NEED_TO_KNOW = ("RED", "AMBER+STRICT")
TLP = ("RED", "AMBER+STRICT", "AMBER", "GREEN", "CLEAR")  # Traffic Light Protocol 2.0, FIRST 2022
MOST_CHARACTERS = 4000
MOST_TITLE = 200
_SOURCE_PACKAGE = re.compile(r"^[a-z0-9][a-z0-9+.-]+$")  # Debian policy 5.6.1


@dataclass(frozen=True)
class Case:
    """A row of vendor_case. Times are aware."""

    case_id: str
    vendor: str
    source_package: str
    title: str
    summary: str
    cve_id: str | None
    tlp: str
    embargo_until: datetime | None
    participants: tuple[str, ...]
    asset_group: str
    host_ids: tuple[str, ...]
    state: CaseState
    state_reason: str
    opened_by: str
    opened_at: datetime
    asked_at: datetime | None
    acknowledge_by: datetime | None
    acknowledged_at: datetime | None
    fix_by: datetime | None
    vendor_reference: str | None
    hotfix_source: str | None
    hotfix_version: str | None
    campaign_id: str | None
    replacement_campaign_id: str | None
    updated_at: datetime

    @property
    def described(self) -> bool:
        return bool(self.title and self.summary)

    def embargoed(self, now: datetime) -> bool:
        """RED, and AMBER of either kind until its date; GREEN and CLEAR are not under embargo."""
        if self.tlp == "RED":
            return True
        return self.tlp.startswith("AMBER") and (self.embargo_until is None or now < self.embargo_until)

    def readable_by(self, user: str | None) -> bool:
        """TLP:RED is for the case's participants; everything else for everyone who may log in here."""
        return self.tlp != "RED" or (user is not None and user in self.participants)


@dataclass(frozen=True)
class CaseForm:
    """A form whose fields were checked one by one. host_ids (): all production hosts of the group with the product."""

    source_package: str
    title: str
    summary: str
    cve_id: str | None
    tlp: str
    embargo_until: datetime | None
    participants: tuple[str, ...]
    asset_group: str
    host_ids: tuple[str, ...]

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> CaseForm:
        """From a form's raw values. Raises BadInputError that names the field."""
        package = _text(fields, "source_package")
        if not _SOURCE_PACKAGE.fullmatch(package):
            raise BadInputError(
                f"source_package: {package!r} is no source package's name.", remedy="As dpkg-query shows it."
            )
        cve_id = fields.get("cve_id") or None
        if cve_id is not None and not is_cve_id(str(cve_id)):
            raise BadInputError(
                f"cve_id: {cve_id!r} is no CVE id.", remedy="Leave it empty when none was assigned yet."
            )
        tlp = str(fields.get("tlp") or "").removeprefix("TLP:")
        if tlp not in TLP:
            raise BadInputError(f"tlp: {tlp!r} is none of {', '.join(TLP)}.")
        if tlp in NEED_TO_KNOW and (fields.get("title") or fields.get("summary")):
            raise BadInputError(
                f"title, summary: under TLP:{tlp} they do not belong into a form that everyone can read. They are in this run now.",
                remedy="Treat the text as disclosed to everyone who sees this run; delete the run, open the case without text, "
                "then give it with ./suture case describe.",
            )
        return cls(
            source_package=package,
            title="" if tlp in NEED_TO_KNOW else _text(fields, "title", most=MOST_TITLE),
            summary="" if tlp in NEED_TO_KNOW else _text(fields, "summary"),
            cve_id=cve_id,
            tlp=tlp,
            embargo_until=_moment(fields.get("embargo_until"), "embargo_until"),
            participants=_names(fields, "participants"),
            asset_group=_text(fields, "asset_group", most=200),
            host_ids=_names(fields, "host_ids"),
        )


def open_case(
    store: Store, register: VendorRegister, form: CaseForm, *, opener: str | None, run_id: str, now: datetime
) -> str:
    """Write the case with its scope; its id. The same run opens one case, however often it is tried.

    Raises CaseError without an opener whom vendors.yaml names and for a scope without the product, BadInputError for the form.
    """
    if not opener or opener not in register.may_open:
        who = f"{opener} may not open a case" if opener else "Nobody is known to have started this run"
        raise CaseError(f"{who}.", remedy=f"vendors.yaml lets {', '.join(sorted(register.may_open))} open cases.")
    if form.embargo_until is not None and form.embargo_until <= now:
        raise BadInputError(f"embargo_until: {form.embargo_until:%Y-%m-%d %H:%M} UTC is past.")
    vendor = register.of_product(form.source_package)
    with store.transaction():
        known = store.fetch_one("vendor_case/find_run_case", {"run_id": run_id})
        if known is not None:
            return str(known["case_id"])
        hosts = _scope(store, form)
        number = store.fetch_one("vendor_case/next_case_number", {"year": now.astimezone(UTC).year})
        assert number is not None
        case_id = f"CASE-{now.astimezone(UTC).year}-{number['last_number']:04d}"
        reason = f"Opened by {opener}."
        store.execute(
            "vendor_case/insert_case",
            {
                "case_id": case_id, "run_id": run_id, "vendor": vendor.name, "source_package": form.source_package,
                "title": form.title, "summary": form.summary, "cve_id": form.cve_id, "tlp": form.tlp,
                "embargo_until": form.embargo_until, "participants": sorted({opener, *form.participants}),
                "asset_group": form.asset_group, "host_ids": hosts, "state_reason": reason, "opened_by": opener,
                "hotfix_source": vendor.hotfix_source, "at": now,
            },
        )  # fmt: skip
        add_event(store, case_id, kind="opened", actor=opener, sentence=reason, at=now)
        evidence.record(
            store,
            actor=opener,
            action="case_opened",
            subject=f"case:{case_id}",
            grounds={
                "vendor": vendor.name, "source_package": form.source_package, "tlp": form.tlp,
                "text_sha256": text_digest(form.title, form.summary), "asset_group": form.asset_group, "hosts": hosts,
            },
            at=now,
        )  # fmt: skip
    return case_id


def describe(store: Store, case: Case, *, title: str, summary: str, actor: str, now: datetime) -> Case:
    """Give an open case its text. Raises CaseError once the vendor was asked, BadInputError for empty or oversized text."""
    fields = {"title": title, "summary": summary}
    values = {"title": _text(fields, "title", most=MOST_TITLE), "summary": _text(fields, "summary")}
    with store.transaction():
        if store.execute("vendor_case/describe_case", {**values, "case_id": case.case_id, "at": now}) != 1:
            raise CaseError(f"{case.case_id} is {case.state}: its text can be changed until the vendor is asked.")
        sentence = f"Described by {actor}."
        add_event(store, case.case_id, kind="described", actor=actor, sentence=sentence, at=now)
        grounds = {"text_sha256": text_digest(**values)}
        evidence.record(
            store, actor=actor, action="case_described", subject=f"case:{case.case_id}", grounds=grounds, at=now
        )
    return fetch_case(store, case.case_id)


def text_digest(title: str, summary: str) -> str:
    """SHA-256 of a case's text: what evidence holds of it."""
    return hashlib.sha256(f"{title}\n{summary}".encode()).hexdigest()


def fetch_case(store: Store, case_id: str) -> Case:
    """Raises BadInputError when there is none."""
    row = store.fetch_one("vendor_case/list_cases", {"case_id": case_id, "state": None})
    if row is None:
        raise BadInputError(f"There is no case {case_id!r}.", remedy="./suture case list shows what there is.")
    return _case(row)


def list_cases(store: Store, *, state: CaseState | None = None) -> list[Case]:
    """Newest first."""
    return [_case(row) for row in store.fetch_all("vendor_case/list_cases", {"case_id": None, "state": state and state.value})]


def move_case(
    store: Store,
    case: Case,
    to: CaseState,
    *,
    kind: str,
    reason: str,
    actor: str,
    at: datetime,
    details: Mapping[str, Any] | None = None,
    **values: Any,
) -> Case:
    """Move a case from the state it was read in; the case as it is then.

    values: columns that the move fills (asked_at, acknowledge_by, …). Raises CaseError for a move that is not lawful, or when it
    moved meanwhile.
    """
    if to not in LAWFUL[case.state]:
        lawful = ", ".join(sorted(LAWFUL[case.state])) or "nothing"
        raise CaseError(f"{case.case_id} cannot move from {case.state} to {to}.", remedy=f"Lawful: {lawful}.")
    columns = ("asked_at", "acknowledge_by", "acknowledged_at", "fix_by", "vendor_reference", "hotfix_version",
               "campaign_id", "replacement_campaign_id")  # fmt: skip
    unknown = set(values) - set(columns)
    if unknown:
        raise ValueError(f"move_case() fills no column {', '.join(sorted(unknown))}.")
    with store.transaction():
        moved = store.fetch_one(
            "vendor_case/move_case",
            {
                **dict.fromkeys(columns), **values, "case_id": case.case_id, "expected_state": case.state.value,
                "to_state": to.value, "reason": reason, "at": at,
            },
        )  # fmt: skip
        if moved is None:
            now_is = fetch_case(store, case.case_id)
            raise CaseError(f"{case.case_id} is {now_is.state}, not {case.state}: it was not moved to {to}.")
        add_event(store, case.case_id, kind=kind, actor=actor, sentence=reason, at=at, details=details)
        evidence.record(
            store,
            actor=actor,
            action="case_moved",
            subject=f"case:{case.case_id}",
            campaign_id=values.get("campaign_id") or case.campaign_id,
            # The vendor's words may be under embargo as ours are: the event has them, evidence has their kind.
            grounds={
                "from": case.state.value,
                "to": to.value,
                "kind": kind,
                "hotfix_version": values.get("hotfix_version"),
            },
            at=at,
        )
    return fetch_case(store, case.case_id)


def add_event(
    store: Store,
    case_id: str,
    *,
    kind: str,
    actor: str,
    sentence: str,
    at: datetime,
    details: Mapping[str, Any] | None = None,
    marker: str | None = None,
) -> bool:
    """Add to what happened; whether it was added. An event with a marker is added once only."""
    row = {"case_id": case_id, "at": at, "actor": actor, "kind": kind, "sentence": sentence[:2000].replace("\0", "�"),
           "details": Json(dict(details or {})), "marker": marker}  # fmt: skip
    return store.execute("vendor_case/insert_event", row) == 1


def list_events(store: Store, case_id: str) -> list[dict[str, Any]]:
    """Oldest first: at, actor, kind, sentence, details."""
    return store.fetch_all("vendor_case/list_events", {"case_id": case_id})


def _scope(store: Store, form: CaseForm) -> list[str]:
    rows = store.fetch_all(
        "vendor_case/list_product_hosts", {"asset_group": form.asset_group, "source_package": form.source_package}
    )
    there = sorted({row["host_id"] for row in rows if row["environment"] != "staging"})
    if not there:
        raise BadInputError(
            f"No production host of {form.asset_group!r} has {form.source_package} installed: there is nothing to mend.",
            remedy="Check the asset group and the source package's name; inventory_sync reads what hosts have.",
        )
    strangers = sorted(set(form.host_ids) - set(there))
    if strangers:
        raise BadInputError(
            f"host_ids: {', '.join(strangers[:5])} of {form.asset_group} has no {form.source_package} installed.",
            remedy=f"It is installed on {', '.join(there[:10]) or 'no host of that group'}.",
        )
    return sorted(form.host_ids) or there


def _case(row: Mapping[str, Any]) -> Case:
    values: dict[str, Any] = dict(row)
    values["state"] = CaseState(row["state"])
    for name in ("participants", "host_ids"):
        values[name] = tuple(row[name])
    return Case(**values)


def _text(fields: Mapping[str, Any], field: str, *, most: int = MOST_CHARACTERS) -> str:
    value = fields.get(field)
    if not isinstance(value, str) or not value.strip():
        raise BadInputError(f"{field}: it is empty.")
    if "\0" in value:
        raise BadInputError(f"{field}: it contains a NUL character.")
    if len(value) > most:
        raise BadInputError(f"{field}: {len(value)} characters; at most {most} are kept.")
    return value.strip()


def _names(fields: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value: Sequence[Any] = fields.get(field) or ()
    if isinstance(value, str) or not all(isinstance(name, str) and name.strip() and len(name) <= 200 for name in value):
        raise BadInputError(f"{field}: a list of names is expected, one a line.")
    return tuple(sorted({name.strip() for name in value}))


def _moment(value: Any, field: str) -> datetime | None:
    if value in (None, ""):
        return None
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        raise BadInputError(
            f"{field}: {value!r} is no date with a time.", remedy="Write it as 2026-12-01T12:00Z."
        ) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
