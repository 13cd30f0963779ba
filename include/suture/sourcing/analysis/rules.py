"""YARA-X rules over the files of a package: our own (include/rules), and those of the organisation's folder.

A rule's `weight` in its metadata says what a match is: `implant` (rule_match) or `hint` (rule_hint). A rule without one is an
implant's, as an organisation's rules mostly are.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yara_x

from suture.errors import BadInputError, SutureError
from suture.settings import PROJECT_ROOT

OWN_RULES = PROJECT_ROOT / "include" / "rules"
SCAN_SECONDS = 20
_ENDINGS = {".yar", ".yara"}


class ScanUnfinished(SutureError):
    """A scan took too long. rules say nothing then."""


@dataclass(frozen=True)
class Match:
    """rule: its name. hint: whether it only hints. description: of its metadata, '' for none. excerpts: (offset, length) found."""

    rule: str
    hint: bool
    description: str
    places: tuple[tuple[int, int], ...]


@lru_cache(maxsize=4)
def rules(folders: tuple[Path, ...]) -> yara_x.Rules:
    """All rule files of these folders, compiled once a process. Raises BadInputError: none there, or one that does not compile."""
    compiler = yara_x.Compiler(includes_enabled=False)
    for folder in folders:
        files = sorted(path for path in folder.glob("*") if path.suffix in _ENDINGS) if folder.is_dir() else []
        if not files:
            raise BadInputError(
                f"{folder} holds no YARA rules (*.yar).", remedy="Correct binary.rules_folder in examination.yaml."
            )
        for path in files:
            try:
                compiler.new_namespace(str(path))
                compiler.add_source(path.read_text("utf-8"), origin=path.name)
            except (yara_x.CompileError, UnicodeDecodeError) as error:
                raise BadInputError(
                    f"{path} is no valid YARA file: {error}", remedy="Mend the rule, or take the file away."
                ) from error
    return compiler.build()


def scan(data: bytes, folders: tuple[Path, ...] = (OWN_RULES,), *, seconds: int = SCAN_SECONDS) -> list[Match]:
    """The rules that match, in their order. Raises ScanUnfinished after `seconds`, BadInputError (see rules)."""
    scanner = yara_x.Scanner(rules(folders))
    scanner.set_timeout(seconds)
    try:
        results = scanner.scan(data)
    except (yara_x.TimeoutError, yara_x.ScanError) as error:
        raise ScanUnfinished(f"The YARA rules did not finish ({type(error).__name__}).") from error
    found = []
    for rule in results.matching_rules:
        meta = dict(rule.metadata)
        places = tuple((m.offset, m.length) for pattern in rule.patterns for m in list(pattern.matches)[:3])
        found.append(
            Match(rule.identifier, meta.get("weight") == "hint", str(meta.get("description", "")), places[:10])
        )
    return found
