"""Proving sources on schedule: every kind, whether or not a campaign asks for it today.

The rules:

1. Each source of policy is proven by its own pins, on its own: a refused one says nothing about the others.
2. An apt source is proven down to its indices, judged by what was seen of it and remembering nothing: its packages are taken in
   by campaigns, each with its own proof.
3. A source of another kind is proven down to every file that policy asks for. The files are examined (bills of materials), then put
   on the shelf by digest, all or none; hosts are not patched from there.
4. What was seen of a source outlives a run. Where something was adopted of it and that memory is gone, it is refused: a replay
   could not be told.
5. Every verdict is kept: how the source is now, with the alarms of its keys; and an intake with evidence whenever the verdict, what
   was adopted or an alarm is another than before.
6. What the source may ship (`ships: packages`) is judged by the name of the package, else of the file, else of the image's
   repository; one that it may not refuses the whole, since a sound source does not list it. To whom is not asked: hosts get nothing.
7. An alarm never refuses: the source still proves. It says what somebody must do before it does not.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from suture import evidence
from suture.errors import BadInputError, SutureError
from suture.settings import Settings
from suture.sourcing import examining_files
from suture.sourcing.attestations import read_attestations
from suture.sourcing.examination import ExaminationRefused, load_policy
from suture.sourcing.examining import Examined
from suture.sourcing.intake import ReadOnlySeen
from suture.sourcing.intake_refusal import WIDEN_SHIPS, IntakeReason, IntakeRefused
from suture.sourcing.kinds import KindAdoption, Request, load_kind_source
from suture.sourcing.kinds.keeping import Keeper, keeping_transport
from suture.sourcing.kinds.shelf import Shelf
from suture.sourcing.refusal import Refusal
from suture.sourcing.repository import verify_repository
from suture.sourcing.source import APT, Use, load_entries, load_entry, load_source, read_scope
from suture.sourcing.transport import transport_for
from suture.store import Json, Store, sources
from suture.store.objects import open_objects

ACTOR = "suture:source_watch"
ADOPTED, PROVEN, REFUSED = "adopted", "proven", "refused"
BAD_INPUT = "not_judged"  # policy, a keyring or the memory cannot be read: nothing is said about the source


@dataclass(frozen=True)
class SourceVerdict:
    """How a source is. reason, next_step: None unless refused. intake_id: None where nothing changed, or nothing is taken over.

    alarms, not_proven: sentences. retryable: it could not be reached, so another try may help.
    """

    source: str
    kind: str
    verdict: str
    sentence: str
    reason: str | None = None
    next_step: str | None = None
    alarms: tuple[str, ...] = ()
    not_proven: tuple[str, ...] = ()
    intake_id: int | None = None
    retryable: bool = False

    @property
    def told(self) -> str:
        """One line for a log, alarms first."""
        alarms = "".join(f"ALARM: {alarm} " for alarm in self.alarms)
        return f"{alarms}{self.source} ({self.kind}) {self.verdict}: {self.sentence}"


@dataclass(frozen=True)
class _Taken:
    """What came of a source of another kind than apt."""

    adoption: KindAdoption
    examined: Examined
    reference: str


def watched(settings: Settings) -> list[str]:
    """The names of the sources that are proven on schedule: all that policy has, but those that are switched off.

    One for comparison whose suite this machine does not have is left out too. Raises PolicyError, BadInputError.
    """
    entries = load_entries(settings.policy_dir)
    return [name for name, entry in entries.items() if entry.get("enabled", True) and _is_here(settings, name, entry)]


def _is_here(settings: Settings, name: str, entry: Mapping[str, Any]) -> bool:
    if entry["kind"] != APT or entry.get("use") != Use.COMPARISON:
        return True
    try:
        load_source(settings.policy_dir, name)
    except BadInputError:
        return False
    return True


def shelf_of(settings: Settings) -> Shelf:
    return Shelf(settings.repository_dir / "shelf")


def prove_source(store: Store, settings: Settings, name: str, *, now: datetime) -> SourceVerdict:
    """Prove one source and write down how it is; a refusal is a verdict, not an error.

    Raises BadInputError for a name that policy does not have; KeepingError, ShelfError, ObjectStoreError: nothing is said then.
    """
    entry = load_entry(settings.policy_dir, name)
    kind = str(entry["kind"])
    try:
        if kind == APT:
            return _of_lists(store, settings, name, now=now)
        taken = _take(store, settings, name, now=now)
    except (Refusal, IntakeRefused, ExaminationRefused, BadInputError) as refusal:
        return _refused(store, name, kind, refusal, now=now)
    return _adopted(store, taken, now=now)


def _of_lists(store: Store, settings: Settings, name: str, *, now: datetime) -> SourceVerdict:
    """An apt source, proven down to its indices."""
    source = load_source(settings.policy_dir, name)
    transport = transport_for(source.address)
    try:
        proven = verify_repository(source, transport, at=now, seen=ReadOnlySeen(store))
    finally:
        transport.close()
    what = "for comparison only; " if source.use is Use.COMPARISON else ""
    sentence = (
        f"{source.suite} of {proven.release.date:%Y-%m-%d %H:%M} UTC is signed by {proven.signed.key_fingerprint[-16:]};"
        f" {what}{len(proven.packages)} packages listed. Campaigns take them in, each with its own proof."
    )
    verdict = SourceVerdict(name, APT, PROVEN, sentence, alarms=proven.alarms)
    _save(store, verdict, now)
    return verdict


def _take(store: Store, settings: Settings, name: str, *, now: datetime) -> _Taken:
    """Prove, examine and shelve. Raises Refusal, IntakeRefused, ExaminationRefused, BadInputError; KeepingError, ShelfError,
    ObjectStoreError."""
    source = load_kind_source(settings.policy_dir, name)
    shelf = shelf_of(settings)
    state = _memory(store, shelf, name)
    work = shelf.root / "work"
    work.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=work, prefix=f"{name}-"))
    try:
        keeper = Keeper(folder)
        transport = keeping_transport(source.address, keeper)
        entry = load_entry(settings.policy_dir, name)
        attesting = read_attestations(entry, settings.policy_dir)
        try:
            adoption = source.prove(transport, Request(at=now, state=state))
            _require_shipped(entry, adoption)
            attested = examining_files.fetch_attestations(attesting, transport, adoption, folder / "attestations")
        finally:
            transport.close()
        kept = {file.sha256: keeper.path_of(file.sha256) for file in adoption.files}
        examined = examining_files.examine(
            load_policy(settings.policy_dir), name, attesting, adoption.files, kept, attested, folder / "look"
        )
        if (concern := examined.refusal()) is not None:
            raise concern
        if examined.attestations:
            examined = examined.kept(open_objects(settings.store_url))
        return _Taken(adoption, examined, shelf.put(adoption, kept))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_shipped(entry: Mapping[str, Any], adoption: KindAdoption) -> None:
    """Raises IntakeRefused (OUT_OF_SCOPE) for the first name that `ships` does not allow."""
    scope = read_scope(entry)
    image = entry.get("repository")  # of an OCI source, whose files have digests for names
    for file in adoption.files:
        name = file.name or str(image or file.path.rpartition("/")[2])
        if not scope.ships(name):
            raise IntakeRefused(
                IntakeReason.OUT_OF_SCOPE,
                f"{adoption.source} lists {name}, but policy does not let it ship that.",
                WIDEN_SHIPS,
            )


def _memory(store: Store, shelf: Shelf, name: str) -> Path:
    """The folder of what was seen of the source. Raises BadInputError where it should be and is not."""
    state = shelf.root / "seen" / name
    if not state.is_dir():
        if sources.was_adopted(store, name):
            raise _forgotten(name, state)
        state.mkdir(parents=True)
    return state


def _forgotten(name: str, state: Path) -> BadInputError:
    return BadInputError(
        f"{name} was adopted before, and what was seen of it then is gone ({state}): a replay could not be told.",
        remedy="Restore the folder from a backup; make it, empty, only if you accept that replays go unseen once.",
    )


def _adopted(store: Store, taken: _Taken, *, now: datetime) -> SourceVerdict:
    adoption, examined = taken.adoption, taken.examined
    sentence = " ".join(
        part
        for part in (adoption.sentence, f"On the shelf as {taken.reference}.", examined.sentence, *adoption.alarms)
        if part
    )
    chain = adoption.chain() | {"shelf": taken.reference, "deployed": False, "examination": examined.chain()}
    found = SourceVerdict(
        adoption.source, adoption.kind, ADOPTED, sentence, alarms=adoption.alarms, not_proven=adoption.not_proven
    )
    last = sources.last_source_intake(store, adoption.source)
    known = last is not None and (last["verdict"], last["snapshot_ref"], list(last["chain"].get("alarms", []))) == (
        ADOPTED,
        f"shelf:{taken.reference}",
        list(adoption.alarms),
    )
    return _written(store, found, chain, examined, taken.reference, is_news=not known, now=now)


def _refused(store: Store, name: str, kind: str, refusal: SutureError, *, now: datetime) -> SourceVerdict:
    reason = str(getattr(refusal, "reason", BAD_INPUT))
    chain: dict[str, Any] = {"source": name, "kind": kind, "deployed": False}
    if isinstance(refusal, Refusal):
        chain["refused_subject"] = refusal.subject
    found = SourceVerdict(
        name, kind, REFUSED, refusal.message, reason, refusal.remedy or "Mend sources.yaml.", retryable=refusal.retryable
    )
    last = sources.last_source_intake(store, name)
    known = last is not None and (last["verdict"], last["reason"], last["sentence"]) == (REFUSED, reason, found.sentence)
    return _written(store, found, chain, None, None, is_news=not known, now=now)


def _written(
    store: Store,
    found: SourceVerdict,
    chain: dict[str, Any],
    examined: Examined | None,
    reference: str | None,
    *,
    is_news: bool,
    now: datetime,
) -> SourceVerdict:
    """The intake with its evidence where it is news, and how the source is now: together or not at all."""
    with store.transaction():
        if is_news:
            intake_id = sources.record_intake(
                store,
                campaign_id=None,
                source=found.source,
                adopted=found.verdict == ADOPTED,
                reason=found.reason,
                sentence=found.sentence,
                snapshot_ref=reference and f"shelf:{reference}",
                chain=chain,
                decided_at=now,
            )
            if examined is not None:
                examined.write(
                    store, intake_id=intake_id, campaign_id=None, adopted=found.verdict == ADOPTED, now=now, actor=ACTOR
                )
            evidence.record(
                store,
                actor=ACTOR,
                action="source_adopted" if found.verdict == ADOPTED else "source_refused",
                subject=f"source:{found.source}",
                grounds={"intake_id": intake_id, "reason": found.reason, "sentence": found.sentence, "chain": chain},
                at=now,
            )
            found = replace(found, intake_id=intake_id)
        _save(store, found, now)
    return found


def _save(store: Store, found: SourceVerdict, now: datetime) -> None:
    row = {
        "source": found.source,
        "kind": found.kind,
        "verdict": found.verdict,
        "reason": found.reason,
        "sentence": found.sentence,
        "next_step": found.next_step,
        "alarms": Json(list(found.alarms)),
        "not_proven": Json(list(found.not_proven)),
        "intake_id": found.intake_id,
        "judged_at": now,
    }
    sources.save_source_proof(store, row)
