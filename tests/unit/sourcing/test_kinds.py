"""Sources of every kind are read from policy; what the documentation shows is lawful policy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from suture import policy
from suture.command.kind_verification import KINDS as OFFERED
from suture.errors import BadInputError
from suture.policy import PolicyError
from suture.settings import PROJECT_ROOT
from suture.sourcing import load_source, load_sources
from suture.sourcing.kinds import KINDS, load_kind_source
from suture.sourcing.source import load_entries

DOCUMENT = PROJECT_ROOT / "docs" / "sourcing" / "README.md"


@pytest.fixture
def policy_dir(tmp_path: Path) -> Path:
    """The example of the documentation as a policy."""
    match = re.search(r"```yaml\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    assert match is not None
    (tmp_path / "sources.yaml").write_text(match[1].replace("address: machine", "address: http://a.test"), "utf-8")
    return tmp_path


def test_the_documentation_shows_every_kind_and_each_is_read(policy_dir: Path) -> None:
    entries = load_entries(policy_dir)
    assert {entry["kind"] for entry in entries.values()} == {"apt", *KINDS} == set(OFFERED)
    for name, entry in entries.items():
        if entry["kind"] != "apt":
            source = load_kind_source(policy_dir, name)
            assert (source.name, source.kind, source.address) == (name, entry["kind"], entry["address"])


def test_campaigns_take_from_apt_only(policy_dir: Path) -> None:
    assert list(load_sources(policy_dir)) == ["debian-security"]
    with pytest.raises(BadInputError, match="cannot be patched from it"):
        load_source(policy_dir, "vendor-rpm")


def test_a_pin_may_count_from_a_day_on(policy_dir: Path) -> None:
    source = load_source(policy_dir, "debian-security")
    ((pin, rule),) = source.pin_rules.items()
    assert pin.startswith("5E04")
    assert f"{rule.accept_from:%Y-%m-%d}" == "2026-08-01"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("root: keys/vendor-root.json", "suite: stable", "has no key 'suite'"),
        ("kind: tuf", "kind: gopher", "gopher"),
        ('fingerprints: ["0123 4567 89AB CDEF 0123 4567 89AB CDEF 0123 4567"]', "fingerprints: []", "fingerprints"),
        ("digest: sha256:0", "digest: latest:0", "digest"),
        ('accept_from: "2026-08-01"', "accept_form: x", "accept"),
        ("checksums: SHA256SUMS", "trusted: true", "has no key 'trusted'"),
    ],
)
def test_a_mistake_is_named_with_its_line(policy_dir: Path, old: str, new: str, said: str) -> None:
    path = policy_dir / "sources.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(PolicyError, match=re.escape(said)):
        policy.load(path, "sources")
