"""Reading an index by columns says what reading it package by package says, or gives up; it never says anything else."""

from __future__ import annotations

import lzma

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.sourcing import Refusal
from suture.sourcing.content import inflate
from suture.sourcing.packages import parse_by_columns, parse_one_by_one, parse_packages

DIGEST = "0123456789abcdef" * 4


def stanza(number: int, *more: str, **changes: str | None) -> str:
    fields = {
        "Package": f"lib{number}", "Version": f"1:{number}.0-1", "Architecture": "amd64",
        "Depends": "libc6 (>= 2.0)", "Filename": f"pool/l/lib{number}_{number}.0-1_amd64.deb", "Size": str(number), "SHA256": DIGEST,
    } | changes  # fmt: skip
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None) + "".join(more)


ORDINARY = [
    {},
    {"Source": "lib"},
    {"Source": "lib (2.0)"},
    {"Provides": "a, b"},
    {"SHA512": "ab" * 64},
    {"Filename": "./pool/x.deb"},
    {"Phased-Update-Percentage": "40"},
    {"Depends": None},
    {"Pre-Depends": "dpkg"},
    {"Description": "naïve – 𝄞"},
]
ODD = [
    {"Package": "-o"}, {"Version": ""}, {"Version": "1 0"}, {"Architecture": None}, {"Filename": "../x"}, {"Filename": "/x"},
    {"Filename": "a//b"}, {"Filename": "a/./b"}, {"Filename": "pool/.x.deb"}, {"Filename": "x" * 2000}, {"Size": "-1"},
    {"Size": "١"}, {"SHA256": None}, {"SHA256": DIGEST.upper()}, {"SHA256": "ab"}, {"SHA512": "zz"}, {"Source": ""},
    {"Source": "a b c"}, {"Source": "lib  (2.0)"}, {"Source": "lib ()"}, {"Phased-Update-Percentage": "400"}, {"Depends": "\xa0x\xa0"},
    {"Version": "1.0\xa0"}, {"Provides": ""}, {"Package": None},
]  # fmt: skip
TAILS = [
    "",
    " folded\n",
    "\tfolded\n",
    "Tag: a,\n b\n",
    "Version: 9\n",
    "garbage\n",
    "Depends: twice\n",
    "\n\n",
    "Size : 1\n",
    " \n",
]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ORDINARY * 3 + ODD), st.sampled_from(TAILS * 1 + [""] * 12)), max_size=6),
    st.sampled_from(["", "\n", "\n\n"]),
    st.sampled_from([None, b"\xff", b"\x00", b"\r\n"]),
)
def test_both_ways_agree(entries: list[tuple[dict[str, str | None], str]], end: str, byte: bytes | None) -> None:
    text = "\n".join(stanza(n, tail, **changes) for n, (changes, tail) in enumerate(entries)) + end
    data = text.encode() + (byte or b"")
    try:
        expected = parse_one_by_one(data, subject="Packages", component="main")
    except Refusal:
        expected = None
    found = parse_by_columns(data, component="main")
    assert found is None or found == expected
    if expected is None:
        assert found is None


def test_an_ordinary_index_is_read_by_columns_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the comparison above would prove nothing, and the speed would be gone without a word."""
    data = "\n".join(stanza(n, **ORDINARY[n % len(ORDINARY)]) for n in range(1, 500)).encode()
    whole = parse_by_columns(data, component="main")
    assert whole is not None
    assert len(whole) == 499
    assert whole == parse_one_by_one(data, subject="Packages", component="main")
    for size in (300, 1000, 5000):
        monkeypatch.setattr("suture.sourcing.columns.PORTION_BYTES", size)
        assert parse_by_columns(data, component="main") == whole


def test_an_index_of_nothing_but_newlines_costs_no_memory() -> None:
    """256 MB of newlines lie in 40 kB of .xz; they were a list of 128 million strings once."""
    import tracemalloc

    data = b"\n" * 32 * 1024 * 1024
    tracemalloc.start()
    assert parse_packages(data, subject="Packages") == []
    assert tracemalloc.get_traced_memory()[1] < 8 * len(data)
    tracemalloc.stop()


def test_a_bomb_is_refused_at_our_limit_although_the_list_names_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suture.sourcing.content.MAX_INFLATED_BYTES", 1_000_000)
    packed = lzma.compress(b"\n" * 8_000_000, preset=0)
    with pytest.raises(Refusal):
        inflate("Packages.xz", packed, listed_bytes=2 * 1024**3)
