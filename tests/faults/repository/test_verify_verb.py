"""`suture verify repository`: exit status, reason words, memory, as scripts use it."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from suture.command.main import main
from suture.command.verbs import verify
from tests.faults.repository.builder import RELEASE_DATE, SUITE, Repository, good_repository
from tests.faults.repository.conftest import Keys
from tests.faults.repository.server import serving


@pytest.fixture
def vendor(tmp_path: Path, keys: Keys, published_keyring: Path) -> Repository:
    return good_repository(tmp_path / "vendor", datetime.now(UTC)).publish(keys.good)


def run(capsys: pytest.CaptureFixture[str], keys: Keys, *arguments: str) -> tuple[int, Any]:
    parser = argparse.ArgumentParser()
    verify.register(parser.add_subparsers())
    args = parser.parse_args(
        ["verify", "repository", "--suite", SUITE, "--keyring", str(keys.keyring), "--json", *arguments]
    )
    status = args.handler(args)
    output = capsys.readouterr().out
    return status, json.loads(output) if output else None


def test_a_good_repository_is_adopted(vendor: Repository, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = run(capsys, keys, "--path", str(vendor.root))
    assert (status, found["verdict"], found["reason"], found["files_verified"]) == (0, "adopted", None, 3)
    with serving(vendor.root) as (url, _requests):
        status, found = run(capsys, keys, "--url", url)
    assert (status, found["files_verified"]) == (0, 3)


def test_the_clock_can_be_given(vendor: Repository, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    for days, expected in ((-1, (1, "not_yet_valid")), (0, (0, None)), (7, (1, "expired"))):
        at = (vendor.now + timedelta(days=days)).isoformat()
        status, found = run(capsys, keys, "--path", str(vendor.root), "--at", at)
        assert (status, found["reason"]) == expected
    at = f"{vendor.now:%Y-%m-%dT%H:%M:%SZ}"
    assert run(capsys, keys, "--path", str(vendor.root), "--at", at)[0] == 0


def test_the_state_folder_remembers_across_addresses(
    vendor: Repository, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ("--state", str(tmp_path / "state"))
    assert run(capsys, keys, "--path", str(vendor.root), *state)[0] == 0
    old = good_repository(tmp_path / "old", vendor.now)
    old.fields["Date"] = (vendor.now - timedelta(hours=3)).strftime(RELEASE_DATE)
    old.publish(keys.good)
    status, found = run(capsys, keys, "--path", str(old.root), *state)
    assert (status, found["reason"]) == (1, "rollback")
    assert run(capsys, keys, "--path", str(old.root))[0] == 0  # without a memory it cannot be known, and that is said
    assert run(capsys, keys, "--path", str(vendor.root), *state)[0] == 0


def test_a_damaged_memory_is_not_an_empty_one(
    vendor: Repository, keys: Keys, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "state"
    run(capsys, keys, "--path", str(vendor.root), "--state", str(state))
    next(state.iterdir()).write_text("{}")
    assert run(capsys, keys, "--path", str(vendor.root), "--state", str(state))[0] == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--origin", "Somebody"), "identity_mismatch"),
        (("--codename", "trixie"), "identity_mismatch"),
        (("--component", "contrib"), "identity_mismatch"),
        (("--fingerprint", "A" * 40), "key_untrusted"),
    ],
)
def test_expectations_can_be_given(
    vendor: Repository, keys: Keys, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    status, found = run(capsys, keys, "--path", str(vendor.root), *arguments)
    assert (status, found["reason"], found["adopted"]) == (1, reason, False)
    assert found["sentence"]
    assert found["next_step"]


def test_without_valid_until_the_age_counts(
    tmp_path: Path, keys: Keys, published_keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    vendor = good_repository(tmp_path / "vendor", datetime.now(UTC))
    del vendor.fields["Valid-Until"]
    vendor.fields["Date"] = (vendor.now - timedelta(days=10)).strftime(RELEASE_DATE)
    vendor.publish(keys.good)
    assert run(capsys, keys, "--path", str(vendor.root))[1]["reason"] == "expired"
    assert run(capsys, keys, "--path", str(vendor.root), "--max-age-days", "30")[0] == 0


def test_a_folder_that_is_not_there_is_unreachable(
    tmp_path: Path, keys: Keys, published_keyring: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = run(capsys, keys, "--path", str(tmp_path / "none"))
    assert (status, found["reason"]) == (1, "unreachable")


@pytest.mark.parametrize("arguments", [("--path", "x", "--at", "soon"), ("--path", "x", "--url", "http://x"), ()])
def test_misuse_is_status_2(keys: Keys, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, keys, *arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("fingerprint", ["ABC", "0x" + "A" * 40, "A" * 16, "A" * 41, ""])
def test_what_is_no_fingerprint_is_said_and_not_taken_for_an_unknown_key(
    keys: Keys, published_keyring: Path, fingerprint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(capsys, keys, "--path", "x", "--fingerprint", fingerprint)
    assert ended.value.code == 2
    assert f"{fingerprint!r} is no fingerprint: 40 hexadecimal digits" in capsys.readouterr().err


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "repository", "--path", "x", "--suite", "stable"]) == 2
    assert "--keyring missing" in capsys.readouterr().err
    assert main(["verify", "repository", "--path", "x"]) == 2
    assert "--suite and --keyring missing" in capsys.readouterr().err


def test_an_expectation_beside_a_source_of_policy_is_refused_and_not_ignored(
    keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["verify", "repository", "--source", "debian-security", "--fingerprint", "A" * 40, "--max-age-days", "3"]
    assert main(asked) == 2
    assert "--fingerprint, --max-age-days would not count" in capsys.readouterr().err


def test_a_missing_keyring_is_status_2(vendor: Repository, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, keys, "--path", str(vendor.root), "--keyring", "/no/such/keyring.gpg")[0] == 2
    assert run(capsys, keys, "--path", str(vendor.root), "--package", "no-such-package")[0] == 2
