from __future__ import annotations

import pytest

from suture.sourcing.dependencies import UnresolvedDependencyError, close_over, parse_dependencies
from suture.sourcing.packages import BinaryPackage


def package(name: str, version: str = "1.0", depends: str = "", provides: str = "", source: str = "") -> BinaryPackage:
    return BinaryPackage(
        name, version, source or name, version, "amd64", f"pool/{name}.deb", 1, "a" * 64, None, depends, "", provides
    )


def names(packages: tuple[BinaryPackage, ...]) -> list[str]:
    return [f"{p.name} {p.version}" for p in packages]


def test_a_depends_field_is_read() -> None:
    groups = parse_dependencies("libc6 (>= 2.36), a:any | b (<< 2~), c [amd64] <!nocheck>,\n d")
    assert [[(a.name, a.operator, a.version) for a in group] for group in groups] == [
        [("libc6", ">=", "2.36")],
        [("a", None, None), ("b", "<<", "2~")],
        [("c", None, None)],
        [("d", None, None)],
    ]


def test_what_hosts_have_is_not_fetched() -> None:
    wanted = package("app", depends="libc6 (>= 2.30), tool")
    closure = close_over([wanted], [wanted, package("libc6", "2.36")], {"h1": {"libc6": "2.36", "tool": "3"}})
    assert closure.added == ()
    assert closure.assumed == ()


def test_what_one_host_lacks_comes_along_with_its_own_needs() -> None:
    offered = [package("app", depends="lib (>= 2)"), package("lib", "2.0", "base (= 5)"), package("base", "5")]
    installed = {"h1": {"app": "0.9", "lib": "2.1", "base": "5"}, "h2": {"app": "0.9", "lib": "1.0", "base": "4"}}
    assert names(close_over(offered[:1], offered, installed).added) == ["lib 2.0", "base 5"]


def test_a_host_that_does_not_get_the_package_does_not_count() -> None:
    offered = [package("app", depends="lib (>= 2)"), package("lib", "2.0")]
    installed = {"h1": {"app": "0.9", "lib": "2.1"}, "lb1": {"haproxy": "2.6"}}
    assert close_over(offered[:1], offered, installed).added == ()


def test_the_newest_that_fits_is_taken_and_siblings_first() -> None:
    wanted = package("app", "2.0", depends="app-data (>= 1)", source="app")
    offered = [wanted, *(package("app-data", v, source="app") for v in ("1.0", "2.0", "3.0"))]
    assert names(close_over([wanted], offered, {}).added) == ["app-data 2.0"]
    other = package("other", "9", depends="app-data (>= 1)")
    assert names(close_over([other], [other, *offered], {}).added) == ["app-data 3.0"]


def test_a_versioned_dependency_is_not_met_by_an_unversioned_provides() -> None:
    wanted = package("app", depends="api (>= 2)")
    plain, versioned = package("old", provides="api"), package("new", provides="api (= 2.1)")
    assert names(close_over([wanted], [wanted, plain, versioned], {}).added) == ["new 1.0"]


def test_a_virtual_package_that_a_host_has_is_met() -> None:
    wanted = package("app", depends="mail-agent")
    offered = [wanted, package("exim", provides="mail-agent"), package("postfix", provides="mail-agent")]
    assert close_over([wanted], offered, {"h1": {"postfix": "3"}}).added == ()


def test_a_version_that_nobody_has_refuses() -> None:
    wanted = package("app", depends="libc6 (>= 3.0)")
    with pytest.raises(UnresolvedDependencyError, match=r"libc6 \(>= 3\.0\)"):
        close_over([wanted], [wanted], {"h1": {"libc6": "2.36"}})


def test_a_name_that_no_host_reports_is_assumed_and_said() -> None:
    wanted = package("app", depends="perlapi-5.36.0, lib")
    closure = close_over([wanted], [wanted], {"h1": {"app": "0.9", "lib": "1"}})
    assert closure.assumed == ("app: perlapi-5.36.0",)


def test_circles_end() -> None:
    offered = [package("a", depends="b"), package("b", depends="a, c"), package("c", depends="b")]
    assert names(close_over(offered[:1], offered, {}).added) == ["b 1.0", "c 1.0"]
