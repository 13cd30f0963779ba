"""Elements that stand twice, entries that nest or never end, in an rpm repository's lists."""

from __future__ import annotations

import pytest

from suture.sourcing import Refusal
from suture.sourcing.kinds.rpm_lists import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_SPECIALS,
    MAX_STRANGERS,
    MAX_TOKEN_BYTES,
    parse_primary,
    parse_repomd,
)
from suture.sourcing.refusal import RefusalReason

HEAD = '<metadata xmlns="http://linux.duke.edu/metadata/common">'
PACKAGE = (
    '<package type="rpm"><name>portal</name><arch>noarch</arch><version epoch="0" ver="1.0" rel="1"/>'
    f'<checksum type="sha256">{"a" * 64}</checksum><size package="7"/><location href="Packages/portal.rpm"/>%s</package>'
)
REPOMD = (
    '<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary">'
    f'<checksum type="sha256">{"a" * 64}</checksum><location href="repodata/primary.xml"/><timestamp>1</timestamp>'
    "<size>7</size>%s</data></repomd>"
)


def primary(*packages: str) -> bytes:
    return (HEAD + "".join(packages) + "</metadata>").encode()


def test_packages_are_read_whatever_stands_between_them() -> None:
    found = parse_primary(
        primary(PACKAGE % "", "<other><deep/></other>", PACKAGE.replace("portal", "agent") % ""), subject="primary"
    )
    assert [package.name for package in found] == ["portal", "agent"]


@pytest.mark.parametrize(
    "more",
    [
        "<name>other</name>",
        "<arch>x86_64</arch>",
        '<version epoch="0" ver="9" rel="1"/>',
        f'<checksum type="sha256">{"b" * 64}</checksum>',
        '<size package="8"/>',
        '<location href="Packages/other.rpm"/>',
        "<x>" * (MAX_DEPTH + 1) + "</x>" * (MAX_DEPTH + 1),
        "<x/>" * (MAX_ELEMENTS + 1),
    ],
)
def test_an_entry_with_two_readings_or_without_bounds_is_malformed(more: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_primary(primary(PACKAGE % more), subject="primary")
    assert refused.value.reason is RefusalReason.MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        "<x/>" * (MAX_STRANGERS + 1),
        "<?a?>" * (MAX_SPECIALS + 1),
        f"<!--{'<' * MAX_TOKEN_BYTES}-->",
        f"<x>{'a' * MAX_TOKEN_BYTES}</x>",
        f"<x a='{'>' * MAX_TOKEN_BYTES}'/>",
    ],
)
def test_what_costs_a_parser_too_much_is_malformed(text: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_primary(primary(text), subject="primary")
    assert refused.value.reason is RefusalReason.MALFORMED


@pytest.mark.parametrize(
    "more",
    [
        f'<checksum type="sha256">{"b" * 64}</checksum>',
        '<location href="repodata/other.xml"/>',
        "<timestamp>2</timestamp>",
        "<size>8</size>",
    ],
)
def test_a_list_that_repomd_describes_twice_is_malformed(more: str) -> None:
    assert parse_repomd((REPOMD % "").encode(), subject="repomd").data["primary"].size == 7
    with pytest.raises(Refusal) as refused:
        parse_repomd((REPOMD % more).encode(), subject="repomd")
    assert refused.value.reason is RefusalReason.MALFORMED
