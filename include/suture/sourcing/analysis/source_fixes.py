"""A fix that no package of its source shows: the notes claim it, and nothing that comes in differs but in version and dates (2.2).

One package that shows nothing says little (`unsupported_fix`): the fix may lie in another of the same source. When none of those that
come in shows anything, the hosts get no fix by this update, whatever its notes say. That is told once for the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from suture.sourcing.analysis.notes import NAME
from suture.sourcing.analysis.unreadable import shown
from suture.sourcing.examination import Concern, Examination, PackageFile
from suture.wording import counted

SOURCE = "source"  # Debian's own word for the architecture of a source package
KIND = "unsupported_source_fix"
MOST = 50


def unsupported_sources(examined: Iterable[tuple[PackageFile, Examination]]) -> list[Examination]:
    """One examination for each source whose claimed fixes nothing shows. examined: packages with what `notes` said of them.

    A source is left out where a package of it could not be compared (nothing before it, or not examined), or the notes name no CVE.
    """
    by_source: dict[tuple[str, str], list[Examination]] = {}
    for package, examination in examined:
        if examination.examiner == NAME:
            key = (package.source or package.name, package.source_version or package.version)
            by_source.setdefault(key, []).append(examination)
    return [
        found
        for (source, version), examinations in sorted(by_source.items())
        if (found := _unsupported(source, version, examinations)) is not None
    ]


def _unsupported(source: str, version: str, examinations: Sequence[Examination]) -> Examination | None:
    claims = [claim for one in examinations if (claim := _claim(one)) is not None]
    if len(claims) < len(examinations) or any(claim["shows"] != "" for claim in claims):
        return None
    cves = sorted({cve for claim in claims for cve in claim["cves"]})
    if not cves:
        return None
    names = sorted({one.package for one in examinations})
    told = ", ".join(cves[:5]) + (f" and {len(cves) - 5} more" if len(cves) > 5 else "")
    sentence = (
        f"The notes of {shown(source)} {shown(version)} claim the fix of {told}, and nothing in"
        f" {counted(len(names), 'package')} of it that would come in ({shown(', '.join(names), 200)}) differs from the version"
        " before but version, dates and documents."
    )
    details = {"cves": cves[:MOST], "packages": names[:MOST]}
    return Examination(
        NAME, source, version, SOURCE, examinations[0].against, (Concern(KIND, source, sentence, details),), facts=details
    )


def _claim(examination: Examination) -> Mapping[str, Any] | None:
    """None where it was not compared, or the examiner did not come to its end."""
    found = examination.facts.get("claim")
    return found if isinstance(found, dict) else None
