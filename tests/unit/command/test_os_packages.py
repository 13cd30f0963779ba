"""packages.txt, and what happens to services of packages that get installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from suture.command import os_packages
from suture.command.os_packages import Package
from suture.errors import BadInputError

LIST = """\
# what for
uidmap   # namespaces
a | b    # either

libfoo2.0-dev
[tests]
browser  # looks
"""


def test_lines_parse_with_alternatives_and_purposes() -> None:
    assert os_packages.parse(LIST) == [
        Package(("uidmap",), "namespaces"),
        Package(("a", "b"), "either"),
        Package(("libfoo2.0-dev",), ""),
        Package(("browser",), "looks", only_tests=True),
    ]


@pytest.mark.parametrize("line", ["two words", "a |", "-o=Foo; rm", "$(id)", "a,b"])
def test_what_is_not_a_package_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(BadInputError, match="line 2"):
        os_packages.parse(f"good\n{line}\n")


def test_missing_names_what_no_alternative_satisfies(tmp_path: Path) -> None:
    path = tmp_path / "packages.txt"
    path.write_text(LIST)
    lacking = os_packages.missing(path, installed=lambda: {"uidmap", "b"})
    assert [package.names for package in lacking] == [("libfoo2.0-dev",)]
    for_tests = os_packages.missing(path, for_tests=True, installed=lambda: {"uidmap", "b"})
    assert [package.names for package in for_tests] == [("libfoo2.0-dev",), ("browser",)]


def test_the_projects_own_list_parses_and_is_about_packages_known_to_dpkg() -> None:
    packages = os_packages.parse(os_packages.PACKAGES.read_text("utf-8"))
    assert packages
    assert all(package.purpose for package in packages), "each package says what it is for"


def test_install_command_recommends_nothing_and_takes_the_first_alternative() -> None:
    command = os_packages.install_command([Package(("a", "b"), "")])
    assert command[:2] == ["apt-get", "install"]
    assert "--no-install-recommends" in command
    assert command[-1] == "a"


def test_policy_forbids_starting_and_goes_away(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with os_packages.no_service_starts(policy):
        assert os.system(str(policy)) >> 8 == 101  # "action forbidden by policy", invoke-rc.d(8)
    assert not policy.exists()


def test_policy_goes_away_after_a_failure_too(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with pytest.raises(RuntimeError), os_packages.no_service_starts(policy):
        raise RuntimeError
    assert not policy.exists()


def test_the_machines_own_policy_is_left_alone(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    with os_packages.no_service_starts(policy):
        assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert policy.read_text() == "#!/bin/sh\nexit 0\n"
    assert not os_packages.forgotten_policy(policy)


def test_policy_of_a_killed_installation_is_recognised_and_removed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text(f"#!/bin/sh\n{os_packages.POLICY_MARK}\nexit 101\n")
    assert os_packages.forgotten_policy(policy)
    with os_packages.no_service_starts(policy):
        pass
    assert not policy.exists()


def test_without_root_the_command_is_named_and_nothing_is_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os_packages, "missing", lambda **_: [Package(("uidmap",), "")])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os_packages, "_apt", lambda command: pytest.fail("apt was run"))
    assert not os_packages.offer()
    assert "apt-get install --no-install-recommends uidmap" in capsys.readouterr().err
