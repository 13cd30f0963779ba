"""The order of Debian versions is dpkg's own, pair by pair, and the key's byte order is that order."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.inventory.debian_version import BadVersionError, compare, parts, relation, sort_key

TRICKY = [
    "0", "0-0", "1", "1-0", "01", "1.0", "1.00", "1.", "1.0-1", "1.0-1~", "1.0~", "1.0~~", "1.0~~a", "1.0~rc1",
    "1.0~rc1-1",
    "1.0a", "1.0a0", "1.0+", "1.0+b1", "1.0-1+b1", "1.0-1+b2", "1.0-1+b10", "1.0-1+deb12u1", "1.0-1+deb12u11",
    "1.0-1+deb12u2", "1.0-1~deb12u1", "1.0.1", "1.0-2", "1:0.9", "0:1.0", "2:0", "10:0", "1:1.0-1", "1.2+really1.1-1",
    "1.2-1", "1.1-1", "16.02", "16.2", "16.10", "2026b-0+deb12u1", "2026f-0+deb12u1", "20230311+deb12u1",
    "20250419~deb12u2", "3.0.20-1~deb12u2", "3.0.22-1~deb12u2", "1.0-1-1", "1.0--1", "1:2:3-4", "a", "a0", "A",
    "Z", "z",
        "1.0.", "1.0.0", "1.0+0", "9" * 300, "9" * 254, "9" * 255, "1" + "0" * 299, "0" * 300, "1.0-0.1", "1.0-00",
    "2.10-3",
]  # fmt: skip
CHARACTERS = "0123456789aAzZ.+~-"


def dpkg_relation(one: str, other: str) -> str:
    for sign, word in (("<", "lt"), ("=", "eq"), (">", "gt")):
        if subprocess.run(["dpkg", "--compare-versions", one, word, other], stderr=subprocess.DEVNULL).returncode == 0:
            return sign
    raise AssertionError(f"dpkg has no relation for {one!r} and {other!r}")


def apt_relations(pairs: list[tuple[str, str]]) -> list[str]:
    """Many pairs at once, by the system python's apt_pkg (the same rule in another hand)."""
    program = (
        "import sys, apt_pkg\napt_pkg.init_system()\n"
        "for line in sys.stdin:\n    a, b = line.rstrip('\\n').split('\\t')\n"
        "    r = apt_pkg.version_compare(a, b)\n    print('<' if r < 0 else '>' if r > 0 else '=')\n"
    )
    run = subprocess.run(
        ["/usr/bin/python3", "-c", program],
        input="".join(f"{a}\t{b}\n" for a, b in pairs), capture_output=True, text=True,
    )  # fmt: skip
    if run.returncode != 0:
        pytest.skip(f"the system python has no apt_pkg: {run.stderr.splitlines()[-1]}")
    return run.stdout.split()


@pytest.fixture(scope="module", autouse=True)
def _dpkg() -> None:
    if shutil.which("dpkg") is None:
        pytest.skip("needs dpkg to compare with")


def test_tricky_pairs_are_ordered_as_dpkg_orders_them() -> None:
    """Neighbours in our order, and a sample across, asked of dpkg one process a pair."""
    ordered = sorted(TRICKY, key=sort_key)
    pairs = [*itertools.pairwise(ordered), *zip(TRICKY, TRICKY[7:], strict=False)]
    assert len(pairs) > 100
    assert [(a, relation(a, b), b) for a, b in pairs] == [(a, dpkg_relation(a, b), b) for a, b in pairs]


def test_every_tricky_pair_is_ordered_as_apt_orders_it() -> None:
    # apt_pkg reads an empty run at the string's end differently from dpkg in one corner ("1." against "1.0"), and so is
    # asked only about versions that policy allows: ending in a letter or digit.
    versions = [v for v in TRICKY if v[-1].isalnum() and v[0].isdigit() and v.count(":") < 2]
    pairs = list(itertools.product(versions, versions))
    assert len(pairs) > 2000
    theirs = apt_relations(pairs)
    assert [(p, relation(*p)) for p in pairs] == list(zip(pairs, theirs, strict=True))


_upstream = st.text(CHARACTERS, min_size=0, max_size=8).map(lambda tail: "1" + tail)
_revision = st.one_of(st.just(""), st.text(CHARACTERS.replace("-", ""), min_size=1, max_size=5).map(lambda r: "-" + r))
_epoch = st.sampled_from(["", "0:", "1:", "02:"])
_versions = st.builds(lambda e, u, r: (e + u + r).rstrip("-"), _epoch, _upstream, _revision)


@settings(max_examples=60, deadline=None)
@given(_versions, _versions)
def test_random_pairs_are_ordered_as_dpkg_orders_them(one: str, other: str) -> None:
    assert relation(one, other) == dpkg_relation(one, other)


@settings(max_examples=300, deadline=None)
@given(_versions, _versions, _versions)
def test_the_order_is_total(a: str, b: str, c: str) -> None:
    assert compare(a, b) == -compare(b, a)
    if compare(a, b) <= 0 and compare(b, c) <= 0:
        assert compare(a, c) <= 0


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("", "empty"), ("a:1", "epoch"), (":1", "epoch"), ("1.0-", "hyphen"), ("-1", "upstream"), ("1:", "upstream"),
        ("1 0", "' '"), ("1.0_1", "'_'"), ("1:1.0-1:2", "':'"), ("1.0\n", "character"), ("1.0é", "'é'"),
        ("２", "character"),
        ("99999999999:1", "epoch"), ("{{ 7*7 }}", "'{'"), ("1" * 2000, "1024"),
    ],
)  # fmt: skip
def test_what_is_no_version_is_refused_with_the_reason(version: str, why: str) -> None:
    with pytest.raises(BadVersionError, match=why):
        sort_key(version)


def test_parts() -> None:
    assert parts("1:2:3-4-5") == (1, "2:3-4", "5")
    assert parts("7") == (0, "7", "")
