"""Is the weakness gone? These must fail before the patch and pass after it: else they prove nothing."""

from __future__ import annotations

from suture.inventory.debian_version import compare


def test_package(item: dict[str, str], packages: dict[str, tuple[str, str]]) -> None:
    """The fixed version, or a newer one, is installed whole."""
    package = item["package"]
    assert package in packages, f"{package} is not installed"
    status, version = packages[package]
    assert status in ("ii", "hi"), f"dpkg has {package} as {status}"
    fixed = item["version"]
    assert compare(version, fixed) >= 0, f"{package} is {version}; {fixed} is the first that is fixed"
