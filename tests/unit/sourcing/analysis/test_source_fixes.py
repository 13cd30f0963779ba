"""A fix that is claimed and that no package of its source shows, on packages built by dpkg-deb."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from suture.settings import PROJECT_ROOT
from suture.sourcing.analysis.notes import NAME, examine
from suture.sourcing.analysis.source_fixes import unsupported_sources
from suture.sourcing.examination import Action, Examination, Subject, load_policy
from tests.unit.sourcing.analysis.package import FIX, OLD_NOTES, Build, changelog

WAS, NOW = "1.0-1", "1.0-1+deb12u1"
ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 57
BUILD_ID = b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0"


def program(version: str, *, day: str = "2026-11-03", build: int = 1, code: bytes = b"parse()") -> bytes:
    """As a rebuild changes it: its own version, the day, the build id, and the debug file's name and CRC."""
    identity = bytes([build]) * 20
    link = f"{build:038x}.debug".encode() + b"\0\0\0" + bytes([build]) * 4
    return ELF + code + f"portal {version} built {day} at 10:0{build}:00".encode() + BUILD_ID + identity + link


def build(version: str, notes: str = FIX, *, name: str = "portal", **changes: bytes | str) -> Build:
    text = changelog((version, notes), OLD_NOTES) if version != WAS else changelog(OLD_NOTES)
    number = 1 if version == WAS else 2
    files: dict[str, tuple[str | bytes, int]] = {
        "usr/bin/portal": (program(version, day=f"2026-11-0{number}", build=number), 0o755),
        "usr/share/portal/help.gz": (gzip.compress(f"portal {version}, 0{number} November 2026".encode(), mtime=number), 0o644),
    }
    files |= {path.replace("__", "/").replace("_gz", ".gz"): (data, 0o644) for path, data in changes.items()}
    return Build(name, version, text, files, fields={"Source": "portal", "Depends": f"portal-data (= {version})"})


def told(tmp_path: Path, *pairs: tuple[Build, Build], advisories: tuple[tuple[str, str], ...] = ()) -> list[Examination]:
    packages = []
    for old, new in pairs:
        file = new.into(tmp_path)
        packages.append((file, examine(Subject(file, old.into(tmp_path), advisories))))
    return unsupported_sources(packages)


def test_a_fix_that_no_package_of_its_source_shows_is_told_once(tmp_path: Path) -> None:
    pairs = [(build(WAS, name=name), build(NOW, name=name)) for name in ("portal", "portal-tools")]
    (found,) = told(tmp_path, *pairs)
    assert (found.examiner, found.package, found.version, found.architecture) == (NAME, "portal", NOW, "source")
    (concern,) = found.concerns
    assert concern.kind == "unsupported_source_fix"
    assert "CVE-2026-1000" in concern.sentence
    assert "2 packages of it that would come in (portal, portal-tools)" in concern.sentence
    actions = load_policy(PROJECT_ROOT / "include" / "policy").actions
    assert actions.sternest([found]) is Action.REVIEW


@pytest.mark.parametrize(
    "other",
    [
        build(NOW, usr__bin__portal=program(NOW, build=2, code=b"parse2()")),
        build(NOW, usr__bin__portal=program("1.0-2", build=2)),  # a version, and not its own
        build(NOW, usr__lib__portal__new="x"),
        build(NOW, usr__share__portal__help_gz=gzip.compress(b"another text")),
        replace(build(NOW), scripts={"postinst": "ldconfig"}),
        replace(build(NOW), fields={"Source": "portal", "Depends": f"portal-data (= {NOW}), libfix1"}),
    ],
    ids=["code", "another version", "file", "packed file", "script", "dependency"],
)
def test_one_package_that_shows_something_is_enough(tmp_path: Path, other: Build) -> None:
    other = replace(other, name="portal-tools")
    assert told(tmp_path / "a", (build(WAS), build(NOW)))
    assert told(tmp_path / "b", (build(WAS), build(NOW)), (build(WAS, name="portal-tools"), other)) == []


def test_a_mode_alone_is_something(tmp_path: Path) -> None:
    new = build(NOW)
    path = "usr/share/portal/help.gz"
    assert told(tmp_path, (build(WAS), replace(new, files={**new.files, path: (new.files[path][0], 0o600)}))) == []


def test_who_claims_nothing_is_not_asked(tmp_path: Path) -> None:
    quiet = build(NOW, "  * Update the translations.")
    assert told(tmp_path / "a", (build(WAS), quiet)) == []
    (found,) = told(tmp_path / "b", (build(WAS), quiet), advisories=(("DSA-1-1", "CVE-2026-2000 in portal."),))
    assert "CVE-2026-2000" in found.concerns[0].sentence, "an advisory claims it as well"
    rebuild = build(NOW, "  * No-change rebuild for CVE-2026-1000 in golang.")
    assert told(tmp_path / "c", (build(WAS), rebuild)) == []


def test_where_one_could_not_be_compared_nothing_is_claimed(tmp_path: Path) -> None:
    silent, new = build(NOW).into(tmp_path), build(NOW, name="portal-tools").into(tmp_path)
    compared = (silent, examine(Subject(silent, build(WAS).into(tmp_path))))
    assert unsupported_sources([compared])
    assert unsupported_sources([compared, (new, examine(Subject(new)))]) == []
    dead = Examination(NAME, "portal-tools", NOW, "amd64", WAS, ())
    assert unsupported_sources([compared, (new, dead)]) == []


def test_what_is_too_large_to_be_read_counts_as_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suture.sourcing.analysis.substance.MAX_FILE_BYTES", 100)
    assert told(tmp_path, (build(WAS), build(NOW))) == []
