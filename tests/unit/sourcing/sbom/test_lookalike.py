"""Names that look like known ones, and names that do not although they are near."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.settings import PROJECT_ROOT
from suture.sourcing.examination import load_policy
from suture.sourcing.sbom import lookalike
from suture.sourcing.sbom.lookalike import KnownNames, within_one
from suture.sourcing.sbom.model import Component
from suture.sourcing.sbom.purls import build

POLICY = load_policy(PROJECT_ROOT / "include" / "policy").settings("sbom")


def known(*used: tuple[str, str]) -> KnownNames:
    return KnownNames(
        [*lookalike.known_names((), POLICY["known_names"]), *used], lookalike.known_names((), POLICY["near_names"])
    )


@pytest.mark.parametrize(
    ("kind", "name", "target"),
    [
        ("npm", "lodahs", "lodash"),
        ("npm", "1odash", "lodash"),
        ("npm", "loddash", "lodash"),
        ("npm", "lodas", "lodash"),
        ("npm", "crossenv", "cross-env"),
        ("pypi", "disc0rd-py", "discord-py"),
        ("npm", "cross.env", "cross-env"),
        ("npm", "expresss", "express"),
        ("npm", "exprеss", "express"),
        ("npm", "babelcore", "babel-core"),
        ("npm", "node-fetchh", "node-fetch"),
        ("pypi", "reqeusts", "requests"),
        ("pypi", "urlib3", "urllib3"),
        ("pypi", "urllib", "urllib3"),
        ("pypi", "python-dateutils", "python-dateutil"),
        ("pypi", "dateutil-python", "python-dateutil"),
        ("pypi", "rnatplotlib", "matplotlib"),
        ("pypi", "jeIlyfish".lower(), "jellyfish"),
        ("pypi", "colourama", "colorama"),
        ("cargo", "rustdecimal", "rust_decimal"),
        ("nuget", "Newtonsof.Json", "Newtonsoft.Json"),
        ("maven", "org.apache.logging.log4i/log4j-core", "org.apache.logging.log4j/log4j-core"),
        ("npm", "@babe1/core", "@babel/core"),
    ],
)
def test_imitations_are_seen(kind: str, name: str, target: str) -> None:
    found = known().likeness(kind, name)
    assert found is not None
    assert found.known == target


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("npm", "lodash"),
        ("npm", "left-pad"),
        ("npm", "preact"),
        ("npm", "ms"),
        ("npm", "vuex"),
        ("npm", "@angular/common"),
        ("npm", "@types/nodes"),
        ("pypi", "boto3"),
        ("pypi", "boto"),
        ("pypi", "flask-login"),
        ("pypi", "django-redis"),
        ("deb", "libssh3"),
        ("deb", "openssl2"),
        ("pypi", "lodahs"),
        ("maven", "org.apache.logging.log4j/log4j-cord"),
        ("generic", "reqeusts"),
    ],
)
def test_what_is_known_other_or_of_one_owner_is_not(kind: str, name: str) -> None:
    assert known(("deb", "debian/libssl3"), ("deb", "debian/openssl")).likeness(kind, name) is None


def test_a_long_list_of_imitations_is_counted() -> None:
    names = [
        Component("", "library", f"lodash{letter}", purl=build("npm", "", f"lodash{letter}"))
        for letter in "abcdefghijklmnopqrstuvwxyz"
    ]
    found = list(lookalike.check(names, known()))
    assert len(found) == lookalike.MAX_CONCERNS + 1
    assert found[-1].details["count"] == 6


def test_ordinary_names_of_a_large_inventory_raise_nothing() -> None:
    """Names of policy's own list, each asked against all the others: two known names are no imitation of one another."""
    names = known()
    asked = [(kind, name) for kind, found in names.names.items() for name in found]
    assert len(asked) > 150
    assert [name for kind, name in asked if names.likeness(kind, name)] == []


LETTERS = st.text("abc", max_size=6)


@given(LETTERS, LETTERS)
def test_the_distance_is_that_of_optimal_string_alignment(one: str, other: str) -> None:
    assert within_one(one, other) == (distance(one, other) <= 1)


def distance(one: str, other: str) -> int:
    rows = [[max(i, j) if not i or not j else 0 for j in range(len(other) + 1)] for i in range(len(one) + 1)]
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            rows[i][j] = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (one[i - 1] != other[j - 1]))
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                rows[i][j] = min(rows[i][j], rows[i - 2][j - 2] + 1)
    return rows[-1][-1]
