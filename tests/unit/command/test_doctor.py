"""The doctor: a finding for each subject, a sentence and a remedy for each ill, and no finding invented."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from suture.command import doctor, installation, main, os_packages, postgres
from suture.command.doctor import Verdict
from suture.command.os_packages import Package


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path))
    monkeypatch.setattr(postgres, "OUTSIDE", tmp_path / "outside")
    return tmp_path


def by_subject(subject: str) -> list[doctor.Finding]:
    return [finding for finding in doctor.examine() if finding.subject == subject]


def test_every_ill_comes_with_a_remedy() -> None:
    findings = doctor.examine()
    assert {"python", "packages", "disk", "memory", "clock", "ports", "postgres"} <= {f.subject for f in findings}
    assert not [f for f in findings if f.verdict is Verdict.MISSING and not f.remedy]


def test_missing_packages_are_named_and_do_not_condemn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os_packages, "missing", lambda: [Package(("mmdebstrap",), "")])
    (finding,) = by_subject("packages")
    assert finding.verdict is Verdict.WARNING
    assert "mmdebstrap" in (finding.remedy or "")


def test_a_taken_port_is_missing_and_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_stands_here", lambda pid, home: False)  # the test itself runs in this clone
    here = installation.prepare(home)
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", here.ports["ui"]))
        stranger.listen()
        (finding,) = by_subject("ports")
        assert finding.verdict is Verdict.MISSING
        assert f"Port {here.ports['ui']} (ui)" in finding.text
        assert main.main(["doctor", "--json"]) == 1
    (finding,) = by_subject("ports")
    assert finding.verdict is Verdict.GOOD


def test_full_disk_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "NEEDED_DISK_GIB", 10**9)
    (finding,) = by_subject("disk")
    assert finding.verdict is Verdict.MISSING


def test_database_of_a_deleted_clone_is_a_leftover(tmp_path: Path) -> None:
    folder = tmp_path / "outside" / "suture-0"
    folder.mkdir(parents=True)
    (folder / "belongs-to").write_text("/gone/clone/.suture\n")
    (finding,) = by_subject("leftovers")
    assert finding.verdict is Verdict.WARNING
    assert "/gone/clone/.suture" in finding.text


def test_json_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    status = main.main(["doctor", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is (status == 0)
    assert {finding["verdict"] for finding in found["findings"]} <= {"ok", "warning", "missing"}
