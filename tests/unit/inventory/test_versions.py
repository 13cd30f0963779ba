"""Every order against its own project's vectors, and what any order must be: total, and its key the order itself."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from suture.errors import BadInputError
from suture.inventory.versions import ECOSYSTEMS, ORDERS, BadVersionError, order_of
from suture.inventory.versions.rpm import label_key

# rpm's own table, tests/rpmvercmp.at (rpm-software-management/rpm): first, second, what rpm.vercmp gives.
RPM = """
1.0 1.0 0|1.0 2.0 -1|2.0 1.0 1|2.0.1 2.0.1 0|2.0 2.0.1 -1|2.0.1 2.0 1|2.0.1a 2.0.1a 0|2.0.1a 2.0.1 1|2.0.1 2.0.1a -1|
5.5p1 5.5p1 0|5.5p1 5.5p2 -1|5.5p2 5.5p1 1|5.5p10 5.5p10 0|5.5p1 5.5p10 -1|5.5p10 5.5p1 1|10xyz 10.1xyz -1|
10.1xyz 10xyz 1|xyz10 xyz10 0|xyz10 xyz10.1 -1|xyz10.1 xyz10 1|xyz.4 xyz.4 0|xyz.4 8 -1|8 xyz.4 1|xyz.4 2 -1|
2 xyz.4 1|5.5p2 5.6p1 -1|5.6p1 5.5p2 1|5.6p1 6.5p1 -1|6.5p1 5.6p1 1|6.0.rc1 6.0 1|6.0 6.0.rc1 -1|10b2 10a1 1|
10a2 10b2 -1|1.0aa 1.0aa 0|1.0a 1.0aa -1|1.0aa 1.0a 1|10.0001 10.0001 0|10.0001 10.1 0|10.1 10.0001 0|
10.0001 10.0039 -1|10.0039 10.0001 1|4.999.9 5.0 -1|5.0 4.999.9 1|20101121 20101121 0|20101121 20101122 -1|
20101122 20101121 1|2_0 2_0 0|2.0 2_0 0|2_0 2.0 0|a a 0|a+ a+ 0|a+ a_ 0|a_ a+ 0|+a +a 0|+a _a 0|_a +a 0|+_ +_ 0|
_+ +_ 0|_+ _+ 0|+ _ 0|_ + 0|1.0~rc1 1.0~rc1 0|1.0~rc1 1.0 -1|1.0 1.0~rc1 1|1.0~rc1 1.0~rc2 -1|1.0~rc2 1.0~rc1 1|
1.0~rc1~git123 1.0~rc1~git123 0|1.0~rc1~git123 1.0~rc1 -1|1.0~rc1 1.0~rc1~git123 1|1.0^ 1.0^ 0|1.0^ 1.0 1|
1.0 1.0^ -1|1.0^git1 1.0^git1 0|1.0^git1 1.0 1|1.0 1.0^git1 -1|1.0^git1 1.0^git2 -1|1.0^git2 1.0^git1 1|
1.0^git1 1.01 -1|1.01 1.0^git1 1|1.0^20160101 1.0^20160101 0|1.0^20160101 1.0.1 -1|1.0.1 1.0^20160101 1|
1.0^20160101^git1 1.0^20160101^git1 0|1.0^20160102 1.0^20160101^git1 1|1.0^20160101^git1 1.0^20160102 -1|
1.0~rc1^git1 1.0~rc1^git1 0|1.0~rc1^git1 1.0~rc1 1|1.0~rc1 1.0~rc1^git1 -1|1.0^git1~pre 1.0^git1~pre 0|
1.0^git1 1.0^git1~pre 1|1.0^git1~pre 1.0^git1 -1|1b.fc17 1b.fc17 0|1b.fc17 1.fc17 -1|1.fc17 1b.fc17 1|
1g.fc17 1g.fc17 0|1g.fc17 1.fc17 1|1.fc17 1g.fc17 -1
"""
RPM_VECTORS = [tuple(line.split()) for line in RPM.replace("\n", "").split("|")]

# Ascending, each below the next. Semantic Versioning 2.0.0, section 11; PEP 440, "Summary of permitted suffixes and
# relative ordering"; Maven's ComparableVersionTest (apache/maven, VERSIONS_QUALIFIER and VERSIONS_NUMBER, MNG-5568,
# MNG-6572, MNG-6964, MNG-7714).
ASCENDING = {
    "npm": [
        "1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0",
        "1.0.0 2.0.0 2.1.0 2.1.1", "1.0.0-0 1.0.0-1 1.0.0-10 1.0.0--1 1.0.0-A 1.0.0-a",
        "0.0.9 0.0.10 0.9.0 0.10.0 9.0.0 10.0.0",
    ],
    "pypi": [
        "1.dev0 1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456 1.0b2.post345 "
        "1.0rc1.dev456 1.0rc1 1.0 1.0+abc.5 1.0+abc.7 1.0+5 1.0.post456.dev34 1.0.post456 1.0.15 1.1.dev1",
        "2013.10 2014.4 1!1.0 1!1.1 1!2.0", "1.0+a 1.0+a.1 1.0+ab 1.0+1 1.0+1.a 1.0+1.1 1.0+2",
    ],
    "maven": [
        "1-alpha2snapshot 1-alpha2 1-alpha-123 1-beta-2 1-beta123 1-m2 1-m11 1-rc 1-cr2 1-rc123 1-SNAPSHOT 1 1-sp 1-sp2 "
        "1-sp123 1-abc 1-def 1-pom-1 1-1-snapshot 1-1 1-2 1-123",
        "2.0 2.0.a 2-1 2.0.2 2.0.123 2.1.0 2.1-a 2.1b 2.1-c 2.1-1 2.1.0.1 2.2 2.123 11.a2 11.a11 11.b2 11.b11 11.m2 11.m11 "
        "11 11.a 11b 11c 11m",
        "6.1.0rc3 6.1.0 6.1H.5-beta",
        "20190126.230843 1234567890.12345 123456789012345.1H.5-beta 12345678901234567890.1H.5-beta",
        "1-0.alpha 1-0.beta 1", "1.0.final-redhat 1.0-sp1-redhat", "1.0.final-redhat 1.0-sp-1-redhat",
        "1.0.final-redhat 1.0-sp.1-redhat", "1.0.0.abc1 1.0.0-abc2", "1.0.0.RC1 1.0.0-RC2", "1.0.0.m1 1.0.0-m2",
        "2.0.1-xyz 2.0.1-123", "2.0.1 2.0.1-123", "1.0-alpha-1-SNAPSHOT 1.0-alpha-1",
    ],
    "rpm": [
        "0:1.0-1 1:0.5-1 2:0-0", "1.0 1.0-1 1.0-1.el9 1.0-1.el9_2 1.0-2.el9", "1.1.1k-9.el8_6 1.1.1k-12.el8_9",
        "5.14.0-362.8.1.el9_3 5.14.0-362.13.1.el9_3 5.14.0-427.el9",
    ],
    "deb": ["1.0~rc1 1.0 1.0-1 1.0-1+b1 1.0-1+deb12u1 1.0-2 1:0", "16.02+dfsg-8 16.10-1", "2.10-3 2.10.1"],
}  # fmt: skip
EQUAL = {
    "npm": ["1.0.0 1.0.0+build.5", "1.0.0-rc.1+a 1.0.0-rc.1+b", "v1.2.3 1.2.3"],
    "pypi": ["1.0 1.0.0", "1.0 v1.0", "1.0a1 1.0.alpha1", "1.0rc1 1.0-C1", "1.0.post1 1.0-1", "1.0+ABC.1 1.0+abc-1"],
    "maven": [
        "1 1.0", "1 1.0.0", "1 1-0", "1a 1.0.0-a", "1.0x 1-x", "1cr 1rc", "1a1 1-alpha-1", "1m3 1MILESTONE3", "1X 1x",
        "1ga 1", "1release 1", "1FINAL 1", "0000000000000000001 1", "2-abc 2.0.0.abc", "2.0.RC 2-rc",
    ],
    "rpm": ["0:1.0-1 1.0-1", "2_0-1 2.0-1"],
    "deb": ["16.02 16.2", "1.0 0:1.0-0", "1.0 1.00"],
}  # fmt: skip

TEXTS = {
    "deb": st.from_regex(r"([0-2]:)?[0-9][0-9a-zA.+~]{0,6}(-[0-9a-z+~]{1,4})?", fullmatch=True),
    "rpm": st.from_regex(r"([0-2]:)?[0-9a-zA-Z._+~^]{1,8}(-[0-9a-z._~^]{1,5})?", fullmatch=True),
    "pypi": st.from_regex(
        r"([01]!)?[0-3](\.[0-3]){0,3}((a|b|rc)[0-2])?(\.post[0-2])?(\.dev[0-2])?(\+[a-c0-2]{1,2}(\.[a-c0-2]{1,2})?)?",
        fullmatch=True,
    ),
    "npm": st.from_regex(r"(0|1|10)\.(0|2)\.(0|3)(-(0|1|10|a|ab|-)(\.(0|1|a|ab))?)?(\+x)?", fullmatch=True),
    "maven": st.from_regex(
        r"[0-2](([.-]|)([0-3]|00|a|b|m|alpha|beta|rc|cr|snapshot|ga|final|sp|x|foo)){0,4}", fullmatch=True
    ),
}


@pytest.mark.parametrize(("one", "other", "expected"), RPM_VECTORS)
def test_rpm_labels_compare_as_rpms_own_table_says(one: str, other: str, expected: str) -> None:
    key, other_key = label_key(one), label_key(other)
    assert (key > other_key) - (key < other_key) == int(expected)


def test_the_table_is_all_there() -> None:
    assert len(RPM_VECTORS) == 97


@pytest.mark.parametrize(
    ("ecosystem", "chain"), [(name, chain) for name, chains in ASCENDING.items() for chain in chains]
)
def test_chains_ascend_pair_by_pair(ecosystem: str, chain: str) -> None:
    versions = chain.split()
    wrong = [
        (one, other)
        for one, other in itertools.combinations(versions, 2)
        if (ORDERS[ecosystem].relation(one, other), ORDERS[ecosystem].relation(other, one)) != ("<", ">")
    ]
    assert wrong == []


@pytest.mark.parametrize(("ecosystem", "pair"), [(name, pair) for name, pairs in EQUAL.items() for pair in pairs])
def test_equal_versions_are_equal(ecosystem: str, pair: str) -> None:
    one, other = pair.split()
    assert ORDERS[ecosystem].relation(one, other) == "="
    assert ORDERS[ecosystem].relation(other, one) == "="


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_every_order_is_total(ecosystem: str, data: Any) -> None:
    order = ORDERS[ecosystem]
    a, b, c = (data.draw(TEXTS[ecosystem]) for _ in range(3))
    assert order.compare(a, a) == 0
    assert order.compare(a, b) == -order.compare(b, a)
    for one, two, three in itertools.permutations((a, b, c)):
        if order.compare(one, two) <= 0 and order.compare(two, three) <= 0:
            assert order.compare(one, three) <= 0, (one, two, three)
        if order.compare(one, two) == 0:
            assert order.compare(one, three) == order.compare(two, three), (one, two, three)


@settings(max_examples=400, deadline=None)
@given(TEXTS["pypi"], TEXTS["pypi"])
@example("1.0.post1", "1.0.post1.dev0")
def test_the_key_of_python_versions_is_packagings_order(one: str, other: str) -> None:
    theirs = (Version(one) > Version(other)) - (Version(one) < Version(other))
    assert ORDERS["pypi"].compare(one, other) == theirs


def rpmvercmp(one: str, other: str) -> int:
    """The other hand: rpm's algorithm step by step (rpmvercmp), not by keys."""
    while one or other:
        one, other = one.lstrip("._+"), other.lstrip("._+")
        if one[:1] == "~" or other[:1] == "~":
            if one[:1] != "~":
                return 1
            if other[:1] != "~":
                return -1
            one, other = one[1:], other[1:]
            continue
        if one[:1] == "^" or other[:1] == "^":
            if not one:
                return -1
            if not other:
                return 1
            if one[:1] != "^":
                return 1
            if other[:1] != "^":
                return -1
            one, other = one[1:], other[1:]
            continue
        if not (one and other):
            break
        kind = str.isdigit if one[0].isdigit() else str.isalpha
        first = "".join(itertools.takewhile(kind, one))
        second = "".join(itertools.takewhile(kind, other))
        if not second:
            return 1 if kind is str.isdigit else -1
        one, other = one[len(first) :], other[len(second) :]
        if kind is str.isdigit:
            first, second = first.lstrip("0"), second.lstrip("0")
            if len(first) != len(second):
                return 1 if len(first) > len(second) else -1
        if first != second:
            return 1 if first > second else -1
    return bool(one) - bool(other)


_labels = st.text("019azAZ._+~^", min_size=1, max_size=8)


@settings(max_examples=800, deadline=None)
@given(_labels, _labels)
def test_the_key_of_rpm_labels_is_rpms_algorithm(one: str, other: str) -> None:
    key, other_key = label_key(one), label_key(other)
    assert (key > other_key) - (key < other_key) == rpmvercmp(one, other)


BAD = {
    "deb": ["1.0_1", "a:1"], "rpm": ["1.0-", "-1", "a:1.0", "1.0/2", "1-2-3:"], "pypi": ["1.0-", "french toast", "1.0+"],
    "npm": ["1.0", "01.0.0", "1.0.0-01", "1.0.0-", "1.0.0+", "^1.0.0"], "maven": [],
}  # fmt: skip
HOSTILE = ["", " 1.0", "1.0\x00", "1.0\n", "{{ 7*7 }}", "1.0'; DROP TABLE host; --", "<b>1</b> ", "１.０", "9" * 10**6, "~" * 10**6]


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_what_is_no_version_is_refused_by_name_and_in_no_time(ecosystem: str) -> None:
    started = time.process_time()
    for version in (*HOSTILE, *BAD[ecosystem]):
        with pytest.raises(BadVersionError) as caught:
            ORDERS[ecosystem].sort_key(version)
        assert version[:20] in caught.value.message.replace("\\x00", "\x00").replace("\\n", "\n")
        assert len(caught.value.message) < 500
    assert time.process_time() - started < 5


@pytest.mark.parametrize(("ecosystem", "version"), [
    ("deb", "1." + "9" * 1000), ("rpm", "~^" * 500), ("maven", "1" + "-a" * 120), ("maven", "9" * 256),
    ("npm", "1.0.0-" + "a." * 120 + "a"), ("pypi", "1" + ".0" * 200),
])  # fmt: skip
def test_long_versions_within_bounds_compare(ecosystem: str, version: str) -> None:
    order = order_of(ecosystem)
    assert order.compare(version, version) == 0
    assert order.compare(version, "1.0.0" if ecosystem != "rpm" else "1") in (-1, 1) or ecosystem == "pypi"


def test_an_ecosystem_without_an_order_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="'cargo' has no version order"):
        order_of("cargo")


def test_keys_of_bytes_where_sql_compares_and_none_for_maven() -> None:
    assert {name: ORDERS[name].byte_key("1.0.0") is not None for name in ECOSYSTEMS} == {
        "deb": True, "rpm": True, "pypi": True, "npm": True, "maven": False,
    }  # fmt: skip
