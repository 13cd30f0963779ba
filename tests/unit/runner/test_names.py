from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.errors import BadInputError
from suture.runner.interface import Phase, PlaybookRun
from suture.runner.names import is_host_name, require_package
from suture.runner.unsafe import wrapped

HOSTILE = [
    "{{ lookup('pipe', 'touch /canary') }}",
    "$(touch /canary)",
    "`touch /canary`",
    "app1;touch /canary",
    "app1\ntouch",
    "-oProxyCommand=touch /canary",
    "app1,app2",
    "app[1:3]",
    "!app1",
    "app1:&production",
    "all",
    "localhost",
    "",
    "a" * 64,
    ".".join(["a" * 60] * 5),
    "app１",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_more_than_a_host_name_is_refused(name: str) -> None:
    with pytest.raises(BadInputError, match="RFC 1123"):
        PlaybookRun(Phase.PATCH, (name,))


@pytest.mark.parametrize("name", ["app1", "stg-app1", "db.example.org", "3com", "A-1"])
def test_host_names(name: str) -> None:
    assert is_host_name(name)


def test_no_host_means_none_and_never_all() -> None:
    with pytest.raises(BadInputError, match="never all"):
        PlaybookRun(Phase.PATCH, ())


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("nginx", "1.0 -o Dpkg::Pre-Invoke::=touch"),
        ("-oDpkg::Pre-Invoke::=touch", "1.0"),
        ("nginx", "{{ 7 * 7 }}"),
        ("NGINX", "1.0"),
        ("nginx", "1.0;reboot"),
        ("nginx", "-1"),
        ("nginx", ""),
        ("n", "1.0"),
        ("nginx=1.0", "1.0"),
        ("nginx", "1.0\n"),
    ],
)
def test_what_is_more_than_a_package_and_a_version_is_refused(name: str, version: str) -> None:
    with pytest.raises(BadInputError, match="Policy"):
        require_package(name, version)


@pytest.mark.parametrize("version", ["1.22.1-9+deb12u11", "2:9.0.1378-2", "3.0.11-1~deb12u2", "0"])
def test_versions(version: str) -> None:
    require_package("libssl3", version)


def test_every_text_at_every_depth_is_marked_unsafe() -> None:
    value = {"a": "{{ x }}", "b": [1, "y", {"c": None, "d": True}]}
    assert wrapped(value) == {
        "a": {"__ansible_unsafe": "{{ x }}"},
        "b": [1, {"__ansible_unsafe": "y"}, {"c": None, "d": True}],
    }


@pytest.mark.parametrize("value", [{"__ansible_vault": "x"}, {1: "x"}, {"a": object()}])
def test_a_mark_of_ansibles_own_cannot_come_from_outside(value: object) -> None:
    with pytest.raises(BadInputError):
        wrapped(value)


@given(st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner), max_leaves=20))
def test_no_bare_text_ever_stays(value: object) -> None:
    def bare(item: object) -> bool:
        if isinstance(item, dict):
            return set(item) != {"__ansible_unsafe"}
        return isinstance(item, str) or (isinstance(item, list) and any(map(bare, item)))

    assert not bare(wrapped(value))
