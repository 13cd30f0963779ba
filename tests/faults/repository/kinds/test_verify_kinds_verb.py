"""`suture verify repository --kind …`: exit status and words, as for apt."""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from suture.command.verbs import verify
from tests.faults.repository.conftest import Keys
from tests.faults.repository.kinds.sigstore_world import ISSUER, NOW, REPOSITORY, WORKFLOW
from tests.faults.repository.kinds.test_oci import Layout
from tests.faults.repository.kinds.test_python import Index
from tests.faults.repository.kinds.test_tuf import Vendor as TufVendor
from tests.faults.repository.server import serving

LATER = "2026-06-01T12:05:00Z"
SIGNER = ("--issuer", ISSUER, "--repository", REPOSITORY, "--workflow", WORKFLOW)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    parser = argparse.ArgumentParser()
    verify.register(parser.add_subparsers())
    args = parser.parse_args(["verify", "repository", "--json", "--at", LATER, *arguments])
    status = args.handler(args)
    output = capsys.readouterr().out
    return status, json.loads(output) if output else None


def test_plain_files(tmp_path: Path, keys: Keys, published_keyring: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = b"agent"
    (tmp_path / "agent.bin").write_bytes(data)
    listed = f"{hashlib.sha256(data).hexdigest()}  agent.bin\n".encode()
    (tmp_path / "SHA256SUMS").write_bytes(listed)
    (tmp_path / "SHA256SUMS.asc").write_bytes(keys.good.sign_at(listed, NOW)[1])
    options = (
        "--kind",
        "plain",
        "--checksums",
        "SHA256SUMS",
        "--keyring",
        str(keys.keyring),
        "--fingerprint",
        keys.pins[0],
    )
    status, found = run(capsys, "--path", str(tmp_path), *options)
    assert (status, found["verdict"], found["reason"], found["files_verified"]) == (0, "adopted", None, 1)
    with serving(tmp_path) as (url, _requests):
        state = ("--state", str(tmp_path / "state"))
        assert run(capsys, "--url", url, *options, *state)[0] == 0
    (tmp_path / "agent.bin").write_bytes(b"other")
    status, found = run(capsys, "--path", str(tmp_path), *options)
    assert (status, found["reason"], found["adopted"]) == (1, "hash_mismatch", False)
    assert run(capsys, "--path", str(tmp_path), "--kind", "plain", "--checksums", "SHA256SUMS")[0] == 2


def test_tuf(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vendor = TufVendor(tmp_path / "vendor").publish()
    options = ("--kind", "tuf", "--path", str(vendor.root), "--root", str(vendor.pinned))
    status, found = run(capsys, *options)
    assert (status, found["files_verified"], found["replay_checked"]) == (0, 1, False)
    assert run(capsys, "--kind", "tuf", "--path", str(vendor.root))[0] == 2
    vendor.target_path.unlink()
    assert run(capsys, *options)[1]["reason"] == "unreachable"


def test_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    index = Index(tmp_path / "index").publish()
    root = index.world.trusted_root(tmp_path / "root.json")
    options = ("--kind", "python", "--path", str(index.root), "--project", "portal==1.0", "--trusted-root", str(root))
    status, found = run(capsys, *options, *SIGNER)
    assert (status, found["files_verified"]) == (0, 1)
    status, found = run(capsys, *options, "--issuer", ISSUER, "--repository", "https://forge.test/other")
    assert (status, found["reason"]) == (1, "identity_mismatch")
    assert run(capsys, *options)[0] == 2


def test_oci(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout(tmp_path / "layout").publish()
    root = layout.world.trusted_root(tmp_path / "root.json")
    options = ("--kind", "oci", "--path", str(layout.root), "--digest", layout.digest)
    assert run(capsys, *options, "--trusted-root", str(root), *SIGNER)[0] == 0
    status, found = run(capsys, *options)
    assert (status, len(found["not_proven"])) == (0, 1)
    status, found = run(capsys, *options[:-1], "sha256:" + "0" * 64)
    assert (status, found["reason"]) == (1, "unreachable")


def test_a_source_of_policy_says_its_own_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = TufVendor(tmp_path / "vendor").publish()
    entry = f"sources:\n  - {{name: agent, kind: tuf, address: {vendor.root}, root: {vendor.pinned}}}\n"
    (tmp_path / "sources.yaml").write_text(entry)
    monkeypatch.setenv("SUTURE_POLICY_DIR", str(tmp_path))
    monkeypatch.setenv("SUTURE_HOME", str(tmp_path / "home"))
    status, found = run(capsys, "--source", "agent")
    assert (status, found["chain"]["source"], found["chain"]["kind"]) == (0, "agent", "tuf")
    assert run(capsys, "--source", "agent", "--kind", "oci")[0] == 2
