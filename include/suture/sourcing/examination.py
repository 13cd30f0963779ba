"""What an examiner says of a package: the words that all of them share, and what policy makes of each.

A source's proof (2.1) says who shipped a file. The examiners say what is in it: `notes` compares what the package's notes claim
with what really changed (2.2), `binary` looks at programs and libraries (2.4), `sbom` at bills of materials, `provenance` at
attestations (2.5). An examiner finds concerns and judges none of them: `include/policy/examination.yaml` says for each kind whether it
is only written down (note), shown to those who approve (review), or ends the intake (refuse).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from suture import policy
from suture.errors import BadInputError, SutureError


class Action(StrEnum):
    """What policy makes of a concern, mildest first."""

    NOTE = "note"
    REVIEW = "review"
    REFUSE = "refuse"


SEVERITY = {action: rank for rank, action in enumerate(Action)}


@dataclass(frozen=True)
class Concern:
    """One thing that somebody may have to know.

    kind: snake_case, out of the examiner's closed set (its module lists them). subject: what it is about (a path in the package,
    a dependency, a symbol), hostile text. sentence: one plain sentence that contains the subject. details: JSON values.
    """

    kind: str
    subject: str
    sentence: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PackageFile:
    """A package as a file: its identity as the proven index gives it, and where it lies."""

    path: Path
    name: str
    version: str
    architecture: str
    sha256: str
    source: str = ""
    source_version: str = ""


@dataclass(frozen=True)
class SbomFile:
    """A bill of materials as a file whose bytes are proven: its name, where it lies, and the package's version that it came with.

    kept: it is one that an earlier intake accepted, and not one that the source lists.
    """

    name: str
    path: Path
    sha256: str
    version: str
    kept: bool = False


@dataclass(frozen=True)
class AttestationFile:
    """An attestation as it lies beside a package: nothing of it is proven yet but where it was found."""

    name: str
    path: Path
    sha256: str


@dataclass(frozen=True)
class Attested:
    """What policy says of a source's attestations, and the file that was found for one package (None: there is none).

    place: where it was looked for. required: the package must have one that is proven. keys: PEM files of those who may sign;
    trusted_root: sigstore's, with identities: (subject, issuer) of its certificates. builders, source_repositories: what SLSA
    provenance must name; (): any.
    """

    place: str
    required: bool
    file: AttestationFile | None = None
    keys: tuple[Path, ...] = ()
    trusted_root: Path | None = None
    identities: tuple[tuple[str, str], ...] = ()
    builders: tuple[str, ...] = ()
    source_repositories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Subject:
    """What is examined: `new`, compared with `old` (None: no earlier version is to be had, and examiners say so as a concern).

    advisories: what vendors say of the fixes in it, (id, text) each; the text is hostile. sboms: those that the source lists beside
    the new package. sboms_before: those of earlier versions, and of this version where it was accepted before.
    attested: None where policy says nothing of its source's attestations.
    """

    new: PackageFile
    old: PackageFile | None = None
    advisories: tuple[tuple[str, str], ...] = ()
    sboms: tuple[SbomFile, ...] = ()
    sboms_before: tuple[SbomFile, ...] = ()
    attested: Attested | None = None


@dataclass(frozen=True)
class Examination:
    """An examiner's result for one package. facts: figures and lists worth showing, JSON values, bounded by the examiner."""

    examiner: str
    package: str
    version: str
    architecture: str
    against: str | None
    concerns: tuple[Concern, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self, actions: Actions) -> dict[str, Any]:
        """For records and --json: the concerns with the action that policy gives each, the sternest first."""
        concerns = [
            asdict(concern) | {"action": actions.of(self.examiner, concern.kind).value} for concern in self.concerns
        ]
        concerns.sort(key=lambda concern: -SEVERITY[Action(concern["action"])])
        verdict = actions.sternest([self])
        return {
            "examiner": self.examiner, "package": self.package, "version": self.version, "architecture": self.architecture,
            "against": self.against, "action": verdict.value if verdict else None, "concerns": concerns,
            "facts": dict(self.facts), "seconds": round(self.seconds, 3),
        }  # fmt: skip


Examiner = Callable[[Subject], Examination]


class ExaminationRefused(SutureError):
    """A package holds what policy refuses. `reason` is the concern's kind."""

    def __init__(self, examination: Examination, concern: Concern) -> None:
        super().__init__(
            f"{examination.package} {examination.version}: {concern.sentence}",
            remedy="Ask the vendor what this is. If it is meant, a change of examination.yaml lets it through, reviewed and recorded.",
        )
        self.reason = concern.kind
        self.examination = examination
        self.concern = concern


@dataclass(frozen=True)
class Actions:
    """examination.yaml: examiner → kind → action; `default` for kinds that it does not name."""

    by_kind: Mapping[str, Mapping[str, Action]]
    default: Action

    def of(self, examiner: str, kind: str) -> Action:
        return self.by_kind.get(examiner, {}).get(kind, self.default)

    def sternest(self, examinations: Iterable[Examination]) -> Action | None:
        """None: no concern at all."""
        found = [self.of(e.examiner, concern.kind) for e in examinations for concern in e.concerns]
        return max(found, key=SEVERITY.__getitem__, default=None)

    def refusal(self, examinations: Iterable[Examination]) -> ExaminationRefused | None:
        """The first concern that policy refuses, as an error to raise; None when there is none."""
        for examination in examinations:
            for concern in examination.concerns:
                if self.of(examination.examiner, concern.kind) is Action.REFUSE:
                    return ExaminationRefused(examination, concern)
        return None


@dataclass(frozen=True)
class ExaminationPolicy:
    """Which examiners look at every intake, and what follows from what they find."""

    document: Mapping[str, Any]

    @cached_property
    def actions(self) -> Actions:
        kinds = {
            examiner: {kind: Action(action) for kind, action in entry.get("actions", {}).items()}
            for examiner, entry in self.document["examiners"].items()
        }
        return Actions(kinds, Action(self.document["default_action"]))

    def settings(self, examiner: str) -> Mapping[str, Any]:
        """What policy sets for one examiner beside its actions. Raises BadInputError when it does not name it."""
        try:
            return {k: v for k, v in self.document["examiners"][examiner].items() if k != "actions"}
        except KeyError:
            raise BadInputError(f"examination.yaml knows no examiner {examiner!r}.") from None


def load_policy(policy_dir: Path) -> ExaminationPolicy:
    """policy_dir/examination.yaml. Raises PolicyError."""
    return ExaminationPolicy(policy.load(policy_dir / "examination.yaml", "examination"))
