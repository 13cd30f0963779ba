"""Reading an index by columns says what reading it package by package says, or gives up; it never says anything else."""

from __future__ import annotations

import lzma
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.sourcing import Refusal
from suture.sourcing.content import inflate
from suture.sourcing.packages import BinaryPackage, parse_by_columns, parse_one_by_one, parse_packages

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
MANGLED = [
    b"", b"x", b"\n", b"\n\n", b" ", b"\t", b":", b"\n folded", b"\x1c", b"\x85", b"\xc3", b"\xc3\xa9", b"\xff", b"\r\n", b"\0",
    b"../", b"\nSize: 7\n", b"()",
]  # fmt: skip


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


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ORDINARY * 8 + ODD), st.sampled_from(TAILS + [""] * 40)), min_size=3, max_size=14),
    st.sampled_from([300, 1000, 4000]),
    st.data(),
)
def test_a_mangled_index_is_read_or_refused_as_one_by_one(
    entries: list[tuple[dict[str, str | None], str]], portion: int, data: st.DataObject
) -> None:
    """In small portions, of which some are ordinary and some are not: the same packages, or the same refusal."""
    whole = bytearray("\n".join(stanza(n, tail, **changes) for n, (changes, tail) in enumerate(entries)).encode())
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(whole) - 1))
        cut = data.draw(st.integers(0, 12))
        whole[at : at + cut] = data.draw(st.sampled_from(MANGLED))
    mangled = bytes(whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("suture.sourcing.columns.PORTION_BYTES", portion)
        patch.setattr("suture.sourcing.packages.BY_COLUMNS_FROM_BYTES", 0)
        found = read(lambda: parse_packages(mangled, subject="Packages", component="main"))
    assert found == read(lambda: parse_one_by_one(mangled, subject="Packages", component="main"))


def read(parse: Callable[[], Sequence[BinaryPackage]]) -> list[BinaryPackage] | tuple[str, str]:
    """The packages, or the refusal's reason and sentence."""
    try:
        packages = parse()
    except Refusal as refusal:
        return refusal.reason, refusal.sentence
    assert [packages[row] for row in range(len(packages))] == list(packages)
    return list(packages)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 40))
def test_utf8_is_judged_in_the_whole_portion(noise: bytes, before: int) -> None:
    """The words with a byte beyond ASCII are looked at, and no others: the verdict must be that of all bytes."""
    noise = noise.translate(None, b"\n\r\0")
    data = (stanza(1) + "X-Note: " + "n" * before).encode() + noise + b" ascii " * 9 + noise[:1] + b"\n"
    data += b"\n" + stanza(2).encode()
    try:
        data.decode()
    except UnicodeDecodeError:
        assert parse_by_columns(data, component="") is None
    else:
        assert parse_by_columns(data, component="") == parse_one_by_one(data, subject="Packages", component="")


def test_an_unusual_portion_does_not_cost_the_others_their_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one: list[int] = []

    def counted(data: bytes, **more: str) -> list[BinaryPackage]:
        one_by_one.append(len(data))
        return parse_one_by_one(data, **more)

    monkeypatch.setattr("suture.sourcing.columns.PORTION_BYTES", 2000)
    monkeypatch.setattr("suture.sourcing.packages.parse_one_by_one", counted)
    entries = [stanza(n, Depends="libc6,\n é\t\n libx (= 1)" if n == 70 else "libc6") for n in range(100)]
    data = "\n".join(entries).encode()
    found = parse_by_columns(data, component="main")
    assert len(one_by_one) == 1
    assert one_by_one[0] <= 2000
    assert found == parse_one_by_one(data, subject="Packages", component="main")
    assert found is not None
    assert found[70].depends == "libc6,\né\nlibx (= 1)"
