"""Is the weakness gone? These must fail before the patch and pass after it: else they prove nothing."""

from __future__ import annotations

from typing import Any


def test_package(server: Any, item: dict[str, str]) -> None:
    """The fixed version, or a newer one, is installed whole."""
    package = item["package"]
    shown = server.run("dpkg-query -W -f %s %s", "${db:Status-Abbrev}\t${Version}", package)
    assert shown.rc == 0, f"{package} is not installed"
    status, version = shown.stdout.split("\t")
    assert status.strip() in ("ii", "hi"), f"dpkg has {package} as {status.strip()}"
    compared = server.run("dpkg --compare-versions %s ge %s", version, item["version"])
    assert compared.rc == 0, f"{package} is {version}; {item['version']} is the first that is fixed"
