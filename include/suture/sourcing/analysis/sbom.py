"""The examiner of bills of materials among those of packages, with what policy sets for it (2.5)."""

from __future__ import annotations

from suture.settings import Settings
from suture.sourcing.examination import Examination, Subject, load_policy
from suture.sourcing.sbom import examiner
from suture.sourcing.sbom.settings import SbomSettings


def examine(subject: Subject) -> Examination:
    """As sbom.examiner.examine. Raises PolicyError."""
    policy_dir = Settings.load().policy_dir
    return examiner.examine(subject, SbomSettings.read(load_policy(policy_dir).settings("sbom"), policy_dir))
