"""Reading real and hostile ELF files: facts that agree with readelf's, and an error for whatever does not hold together."""

from __future__ import annotations

import random
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import lief
import numpy as np
import pytest

from suture.sourcing.analysis.elf import ElfKind, UnreadableElf, read_elf
from suture.sourcing.analysis.entropy import block_entropies, dense_bytes, entropy, is_dense
from suture.sourcing.analysis.traces import direct_syscalls, traces
from tests.unit.sourcing.analysis import planted

REAL = sorted(
    {Path(line.split(maxsplit=5)[-1]) for line in Path("/proc/self/maps").read_text().splitlines() if ".so" in line}
)


@pytest.mark.parametrize("path", [*REAL[:12], Path(sys.executable).resolve()], ids=lambda path: path.name)
def test_facts_agree_with_a_plain_walk_by_section_headers(path: Path) -> None:
    """lief goes by program headers and hash tables; this goes by the sections, as readelf does."""
    data = path.read_bytes()
    facts = read_elf(data)
    names, tags, symbols = plain_walk(data)
    assert facts.needed == tuple(names(value) for tag, value in tags if tag == 1)
    assert facts.soname == "".join(names(value) for tag, value in tags if tag == 14)
    assert facts.imports == {name for name, bind, section in symbols if name and section == 0}
    assert set(facts.exports) == {name for name, bind, section in symbols if name and section != 0 and bind != 0}
    assert facts.constructors == sum(value for tag, value in tags if tag in (27, 33)) // 8
    assert facts.hardening.relro in ("partial", "full")


def plain_walk(data: bytes) -> tuple[Callable[[int], str], list[tuple[int, int]], list[tuple[str, int, int]]]:
    """(name by offset in .dynstr, dynamic entries, dynamic symbols as (name, binding, section)) of a 64-bit little-endian file."""
    assert data[4:6] == b"\x02\x01", "this walk is for 64-bit little-endian machines"
    at, (size, count) = struct.unpack_from("<Q", data, 40)[0], struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, at + size * number) for number in range(count)]
    (dynsym,) = [s for s in sections if s[1] == 11]
    (dynamic,) = [s for s in sections if s[1] == 6]
    strings = sections[dynsym[6]]

    def name(offset: int) -> str:
        start = strings[4] + offset
        return data[start : data.index(b"\0", start)].decode()

    tags = list(struct.iter_unpack("<QQ", data[dynamic[4] : dynamic[4] + dynamic[5]]))
    raw = struct.iter_unpack("<IBBHQQ", data[dynsym[4] : dynsym[4] + dynsym[5]])
    return name, [(tag, value) for tag, value in tags], [(name(s[0]), s[1] >> 4, s[3]) for s in raw]


def test_the_c_library_has_ifuncs_and_a_small_program_has_none() -> None:
    libc = next(path for path in REAL if path.name.startswith("libc.so"))
    assert read_elf(libc.read_bytes()).resolvers > 0
    facts = read_elf(planted.program())
    assert (facts.kind, facts.resolvers, facts.ifuncs) == (ElfKind.PROGRAM, 0, frozenset())


@pytest.mark.parametrize("kept", [0, 3, 4, 20, 63, 64, 100, 1000, 0.3, 0.6, 0.9])
def test_a_truncated_file_is_unreadable(kept: float) -> None:
    data = planted.program()
    with pytest.raises(UnreadableElf):
        read_elf(data[: int(kept * len(data)) if isinstance(kept, float) else int(kept)])


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [
        (0x38, "<H", 0xFFFE),
        (0x3C, "<H", 0xFE00),
        (0x20, "<Q", 2**63),
        (0x28, "<Q", 2**40),
        (0x36, "<H", 1),
        (0x3A, "<H", 3),
    ],
    ids=[
        "many segments",
        "many sections",
        "segments far away",
        "sections far away",
        "tiny segment entries",
        "tiny section entries",
    ],
)
def test_headers_that_lie_are_unreadable(offset: int, form: str, value: int) -> None:
    data = bytearray(planted.program())
    struct.pack_into(form, data, offset, value)
    with pytest.raises(UnreadableElf):
        read_elf(bytes(data))


def test_a_section_beyond_the_end_is_unreadable() -> None:
    data = bytearray(planted.program())
    start, count = struct.unpack_from("<Q", data, 0x28)[0], struct.unpack_from("<H", data, 0x3C)[0]
    struct.pack_into("<Q", data, start + 64 * (count // 2) + 0x20, 2**60)  # sh_size
    with pytest.raises(UnreadableElf):
        read_elf(bytes(data))


def test_flipped_bytes_end_in_facts_or_in_an_error() -> None:
    """400 files, each with bytes changed in headers, tables and anywhere: no other exception, no endless work."""
    rng = random.Random(20240329)
    original = planted.program()
    outcomes = {"facts": 0, "unreadable": 0}
    for number in range(400):
        data = bytearray(original)
        for _ in range(rng.choice((1, 4, 32))):
            data[rng.randrange(64 if number % 3 == 0 else 4096 if number % 3 == 1 else len(data))] = rng.randrange(256)
        try:
            read_elf(bytes(data))
            outcomes["facts"] += 1
        except UnreadableElf:
            outcomes["unreadable"] += 1
    assert min(outcomes.values()) > 20


def test_entropy_of_known_bytes() -> None:
    assert entropy(b"") == 0.0
    assert entropy(b"a" * 100) == 0.0
    assert entropy(bytes(range(256))) == pytest.approx(8.0)
    noise = random.Random(1).randbytes(4096)
    assert block_entropies(noise * 3 + b"a" * 4096) == pytest.approx([entropy(noise)] * 3 + [0.0])
    assert dense_bytes(b"text " * 4096 + noise * 5 + b"text " * 4096) == 5 * 4096
    assert dense_bytes(noise * 3 + b"text " * 4096 + noise * 3) == 0  # tables, not a payload
    assert [is_dense(data) for data in (noise, noise + b"a" * 4096, b"")] == [True, False, False]
    assert block_entropies(b"short").shape == np.zeros(0).shape


def test_addresses_are_found_and_versions_are_not() -> None:
    found = traces([
        b"\x00see https://Evil.Example.org/x and http://user:pw@203.0.113.9/\x00",
        b"\x00" + b"93.184.216.34:443\x00version 4.5.6.7 of\x0010.0.0.1\x001.2.3.4\x00" + b"\x00127.0.0.1\x00",
        b"\x00" + b"a" * 56 + b".onion\x00",
    ])  # fmt: skip
    assert found.hosts == {"evil.example.org", "203.0.113.9"}  # a documentation address is not a public one
    assert found.addresses == {"93.184.216.34", "a" * 56 + ".onion"}


def test_system_calls_by_number() -> None:
    connect = b"\x6a\x2a\x58\x99\x0f\x05"  # push 42; pop rax; cdq; syscall
    execve = b"\x31\xc0\xb0\x3b\x0f\x05"  # xor eax, eax; mov al, 59; syscall
    harmless = b"\xb8\x01\x00\x00\x00\x0f\x05"  # write
    # Of psql: b0 31 and 0f 05 are parts of addresses.
    chance = b"\x48\x89\x7d\xb0\x31\xff\xe8\x51\xab\xfd\xff\x48\x8d\x35\x99\x0f\x05\x00"
    assert direct_syscalls([chance], "X86_64") == frozenset()
    assert direct_syscalls([connect + b"\x90" * 30 + execve, harmless], "X86_64") == {"connect", "execve"}
    arm = (0xD2800008 | 203 << 5).to_bytes(4, "little") + b"\x01\x00\x00\xd4"
    assert direct_syscalls([arm], "AARCH64") == {"connect"}
    assert direct_syscalls([connect], "S390") == frozenset()


def test_lief_writes_nothing_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """A worker's answers go to stdout."""
    with pytest.raises(UnreadableElf):
        read_elf(b"\x7fELF" + bytes(60))
    assert lief.logging is not None
    assert capfd.readouterr().out == ""
