"""Evidence in sentences: one a record, for reports, the command and the pages.

A record whose action has no sentence here is told by its own words; nothing is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from suture.wording import counted

Grounds = Mapping[str, Any]
_HOST_STEP = re.compile(r"^host_(?P<step>\w+)_(?P<status>running|done|failed|unknown)$")
MAX_FACTS, MAX_FACT_CHARACTERS = 4, 120


@dataclass(frozen=True)
class Entry:
    """One record. at is aware UTC; sentence is plain text and may hold foreign words: escape it where it is shown."""

    seq: int
    at: datetime
    actor: str
    action: str
    subject: str
    sentence: str


def entries(records: Iterable[Mapping[str, Any]]) -> list[Entry]:
    """Records as the warehouse gives them, in order."""
    return [
        Entry(row["seq"], row["recorded_at"], row["actor"], row["action"], row["subject"], sentence(row))
        for row in records
    ]


def sentence(record: Mapping[str, Any]) -> str:
    """What happened, in one sentence."""
    grounds: Grounds = record["grounds"] if isinstance(record["grounds"], Mapping) else {}
    step = _HOST_STEP.match(record["action"])
    if step is not None:
        return _host_step(record["subject"], step["step"], step["status"], grounds)
    tell = _SENTENCES.get(record["action"])
    told = tell(grounds) if tell else None
    return told or _plain(record["action"], record["subject"], grounds)


def _planned(grounds: Grounds) -> str | None:
    reasons = grounds.get("reasons") or []
    return f"Planned, requested by {grounds.get('requested_by', 'nobody named')}." + (
        f" {_ended(str(reasons[0]))}" if reasons else ""
    )


def _moved(grounds: Grounds) -> str | None:
    if "to" not in grounds:
        return None
    came, went = (str(grounds.get(key, "?")).replace("_", " ") for key in ("from", "to"))
    return f"From {came} to {went}: {_ended(str(grounds.get('reason', 'no reason was given')))}"


def _pinned(grounds: Grounds) -> str | None:
    return f"{grounds.get('packages', '?')} proven packages pinned; the plan is now {_short(grounds.get('plan_hash'))}."


def _released(grounds: Grounds) -> str | None:
    comment = f' "{grounds["comment"]}"' if grounds.get("comment") else ""
    return f"Released the plan {_short(grounds.get('plan_hash'))} in the {grounds.get('seat', '?')} seat.{comment}"


def _release_rejected(grounds: Grounds) -> str | None:
    return f"Rejected the plan {_short(grounds.get('plan_hash'))} in the {grounds.get('seat', '?')} seat: " + _ended(
        str(grounds.get("comment") or "no comment")
    )


def _refused(grounds: Grounds) -> str | None:
    return f"Tried to {grounds.get('decision', 'answer')} and was refused: {_ended(str(grounds.get('why', '')))}"


def _said(grounds: Grounds) -> str | None:
    """Of records that carry their own sentence."""
    return _ended(str(grounds["sentence"])) if grounds.get("sentence") else None


def _report(grounds: Grounds) -> str | None:
    return (
        f"The compliance report was written ({_short(grounds.get('sha256'))}): {grounds.get('coverage', '')}".rstrip()
    )


_SENTENCES: Mapping[str, Callable[[Grounds], str | None]] = {
    "campaign_planned": _planned,
    "campaign_moved": _moved,
    "plan_pinned": _pinned,
    "release_approved": _released,
    "release_rejected": _release_rejected,
    "approval_refused": _refused,
    "report_written": _report,
    "parity_passed": _said,
    "parity_failed": _said,
    "parity_waived": _said,
    "ring_judged_by_hand": _said,
    "ring_followed_by_word": _said,
    "staging_left_out": _said,
    "traffic_replayed": _said,
    "traffic_worse": _said,
}


def _host_step(subject: str, step: str, status: str, grounds: Grounds) -> str:
    """'app1: patch done; 14 packages changed, restarted rsyslog.service.'"""
    host, words = subject.partition(":")[2] or subject, step.replace("_", " ")
    parts = [f"{host}: {words} {status}"]
    changes, restarted, backup = (grounds.get(name) for name in ("changes", "restarted", "backup"))
    if isinstance(changes, Mapping | list) and changes:
        parts.append(f"{counted(len(changes), 'package')} changed")
    if isinstance(restarted, list) and restarted:
        parts.append(f"restarted {', '.join(map(str, restarted[:MAX_FACTS]))}" + (" …" if len(restarted) > MAX_FACTS else ""))
    if isinstance(backup, Mapping):
        parts.append(f"snapshot {str(backup.get('snapshot_ref'))[:8]} read back and restored")
    if grounds.get("reason"):
        parts.append(str(grounds["reason"]))
    if grounds.get("counted") is False:
        parts.append("a newer try has taken over: not counted")
    return _ended("; ".join(parts))


def _plain(action: str, subject: str, grounds: Grounds) -> str:
    said = grounds.get("sentence") or grounds.get("reason") or grounds.get("summary")
    words = action.replace("_", " ").capitalize()
    noun = subject.partition(":")[2] or subject
    if isinstance(said, str) and said:
        return f"{words} ({noun}): {_ended(said)}"
    facts = [f"{key.replace('_', ' ')} {_fact(value)}" for key, value in grounds.items() if _is_fact(value)]
    return f"{words} ({noun})" + (f": {', '.join(facts[:MAX_FACTS])}." if facts else ".")


def _is_fact(value: Any) -> bool:
    return isinstance(value, str | int | float) and value != ""


def _fact(value: Any) -> str:
    text = str(value)
    return text if len(text) <= MAX_FACT_CHARACTERS else text[:MAX_FACT_CHARACTERS] + "…"


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _short(digest: Any) -> str:
    return f"{str(digest)[:12]}…" if digest else "unknown"
