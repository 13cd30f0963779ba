"""`suture verify sbom`: exit status, reason and sentence; without warehouse or Airflow."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from suture.command.main import main
from suture.settings import PROJECT_ROOT
from tests.unit.sourcing.sbom.documents import PARTS, ROOT, Part, cyclonedx, spdx2


@pytest.fixture(autouse=True)
def _own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(PROJECT_ROOT / "include" / "policy"))
    monkeypatch.delenv("SUTURE_WAREHOUSE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def written(name: str, content: bytes) -> str:
    Path(name).write_bytes(content)
    return name


def asked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = main(["verify", "sbom", *arguments, "--json"])
    out = capsys.readouterr().out
    return status, json.loads(out) if out else {}


def test_the_three_proofs(capsys: pytest.CaptureFixture[str]) -> None:
    artifact = written("billing-2.0.1.tar", b"the package")
    right = hashlib.sha256(b"the package").hexdigest()
    old = written("old.json", cyclonedx("1.5", "json", ROOT))
    good = written("good.xml", cyclonedx("1.6", "xml", Part("pkg:pypi/billing@2.0.1", right, "Acme", "MIT")))
    status, found = asked(capsys, good, "--against", old, "--artifact", artifact)
    assert (status, found["verdict"], found["reason"]) == (0, "accepted", None)
    hashed = written("hash.xml", cyclonedx("1.6", "xml", Part("pkg:pypi/billing@2.0.1", "0" * 64, "Acme", "MIT")))
    status, found = asked(capsys, hashed, "--against", old, "--artifact", artifact)
    assert (status, found["accepted"], found["reason"]) == (1, False, "hash_mismatch")
    confused = (PARTS[0], PARTS[1].moved("pkg:npm/ledger@1.5.0"), *PARTS[2:])
    status, found = asked(
        capsys,
        written("ns.spdx", spdx2("2.3", "tag-value", Part("pkg:pypi/billing@2.0.1"), confused)),
        "--against",
        old,
    )
    assert (status, found["reason"]) == (1, "namespace_changed")
    back = written("back.json", cyclonedx("1.4", "json", Part("pkg:pypi/billing@1.9.9")))
    status, found = asked(capsys, back, "--against", old)
    assert (status, found["reason"]) == (1, "version_not_newer")
    assert "1.9.9" in found["sentence"]
    assert found["next_step"]
    assert found["concerns"][0]["action"] == "refuse"


def test_what_cannot_be_read_is_refused_and_what_is_not_there_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = written("good.json", cyclonedx("1.6", "json")), written("bad.json", b'{"bomFormat": "CycloneDX",')
    assert asked(capsys, bad)[1]["reason"] == "malformed"
    assert asked(capsys, bad)[0] == 1
    assert asked(capsys, written("x.cdx", b"\x0a\x031.5"))[1]["reason"] == "unsupported"
    for arguments in (
        ("nowhere.json",), (".",), (good, "--against", bad), (good, "--against", "nowhere"), (good, "--artifact", "nowhere"),
        (good, "--attestation", "nowhere"), (good, "--key", bad), (good, "--names", bad),
    ):  # fmt: skip
        assert main(["verify", "sbom", *arguments]) == 2, arguments
        assert "verify sbom:" in capsys.readouterr().err


def test_names_that_are_used_already_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    new = written("new.json", cyclonedx("1.6", "json", parts=(Part("pkg:pypi/acme-ledgers@1.0"),)))
    assert asked(capsys, new)[0] == 0
    names = written("names.txt", b"# ours\npkg:pypi/acme-ledger@0.9\n\n")
    status, found = asked(capsys, new, "--names", names)
    assert (status, found["reason"]) == (1, "lookalike_name")


def test_text_from_outside_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    raw = cyclonedx("1.6", "json").replace(b'"name": "requests"', b'"name": "re\\u001b[2Jquests\\u202e"')
    assert main(["verify", "sbom", written("x.json", raw)]) in (0, 1)
    out = capsys.readouterr().out
    assert "control_character" in out
    assert not {"\x1b", "\u202e"} & set(out)


def test_plain_output_is_a_sentence_and_the_findings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "sbom", written("good.json", cyclonedx("1.6", "json"))]) == 0
    out = capsys.readouterr().out
    assert out.startswith("accepted: The SBOM of pkg:pypi/billing 2.0.0 holds 4 components")
    assert "note: no_predecessor" in out
