from __future__ import annotations

from pathlib import Path

import pytest

from suture.errors import BadInputError
from suture.policy import PolicyError
from suture.settings import PROJECT_ROOT
from suture.sourcing import load_sources
from suture.sourcing.keyring import load_keyring

ENTRY = """sources:
  - name: vendor
    kind: apt
    address: http://vendor.test/apt
    suite: stable
    keyrings: [vendor.gpg]
    fingerprints: ["AAAA BBBB CCCC DDDD EEEE FFFF 0000 1111 2222 3333"]
"""


def write(folder: Path, text: str) -> Path:
    (folder / "sources.yaml").write_text(text, "utf-8")
    return folder


def test_a_source_is_read(tmp_path: Path) -> None:
    source = load_sources(write(tmp_path, ENTRY))["vendor"]
    assert source.fingerprints == {"AAAABBBBCCCCDDDDEEEEFFFF0000111122223333"}
    assert source.keyrings == (tmp_path / "vendor.gpg",)
    assert source.max_age.days == 7


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    suite: stable", "    suite: stable\n    trusted: true"),
        ("http://vendor.test/apt", "ftp://vendor.test/"),
        ("http://vendor.test/apt", "http://user@vendor.test/"),
        ("AAAA BBBB", "BBBB"),
        ("[vendor.gpg]", "[]"),
        ("kind: apt", "kind: trust-me"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(PolicyError, match=r"sources\.yaml:\d+"):
        load_sources(write(tmp_path, ENTRY.replace(old, new)))


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="twice"):
        load_sources(write(tmp_path, ENTRY + ENTRY.removeprefix("sources:\n")))


def test_the_machines_own_archive_is_looked_up(tmp_path: Path) -> None:
    apt = tmp_path / "apt"
    apt.mkdir()
    (apt / "sources.list").write_text("deb http://machine.test/debian stable main\n")
    policy = write(tmp_path, ENTRY.replace("http://vendor.test/apt", "machine"))
    assert load_sources(policy, machine_sources=apt)["vendor"].address == "http://machine.test/debian"


def test_the_shipped_policy_pins_keys_that_its_keyring_holds(tmp_path: Path) -> None:
    apt = tmp_path / "apt"
    apt.mkdir()
    (apt / "sources.list").write_text(
        "deb http://machine.test/debian-security bookworm-security main\ndeb http://machine.test/debian bookworm main\n"
    )
    for source in load_sources(PROJECT_ROOT / "include" / "policy", machine_sources=apt).values():
        if not all(path.exists() for path in source.keyrings):
            pytest.skip("the distribution's archive keyring is not installed")
        assert source.fingerprints <= set(load_keyring(source.keyrings).keys)
        assert source.origin
        assert source.codename


def test_a_machine_without_the_suite_to_compare_with_has_the_others(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://machine.test/debian-security bookworm-security main\n")
    found = load_sources(PROJECT_ROOT / "include" / "policy", machine_sources=tmp_path)
    assert set(found) == {"debian-security"}
    assert found["debian-security"].predecessors == ("debian",)


@pytest.mark.parametrize(
    "content", [b"", b"nothing", b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!!\n-----END PGP PUBLIC KEY BLOCK-----\n"]
)
def test_a_keyring_without_keys_is_bad_input(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "k.asc"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=r"k\.asc"):
        load_keyring([path])
    with pytest.raises(BadInputError, match="cannot be read"):
        load_keyring([tmp_path / "missing.gpg"])
