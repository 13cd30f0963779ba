"""The raw bytes of an ELF file where its tables say the loader finds them: relocations, what is loaded, how dense it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import lief
import numpy as np

from suture.sourcing.analysis.entropy import dense_bytes

_IRELATIVE = {lief.ELF.ARCH.X86_64: 37, lief.ELF.ARCH.I386: 42, lief.ELF.ARCH.AARCH64: 1032, lief.ELF.ARCH.ARM: 160,
              lief.ELF.ARCH.PPC64: 248, lief.ELF.ARCH.S390: 61, lief.ELF.ARCH.RISCV: 58}  # fmt: skip
_TAG = lief.ELF.DynamicEntry.TAG
_SEGMENT = lief.ELF.Segment.TYPE
_SECTION = lief.ELF.Section
_W, _X = lief.ELF.Segment.FLAGS.W, lief.ELF.Segment.FLAGS.X


def is_debug(binary: lief.ELF.Binary) -> bool:
    """No section of its code has bytes, as `objcopy --only-keep-debug` leaves it."""
    code = [s for s in binary.sections if s.has(_SECTION.FLAGS.EXECINSTR)]
    return bool(code) and all(s.type == _SECTION.TYPE.NOBITS for s in code)


def value(binary: lief.ELF.Binary, tag: Any) -> int:
    entry = binary.get(tag)
    return int(entry.value) if entry is not None else 0


def resolvers(binary: lief.ELF.Binary, data: bytes, arch: Any) -> int:
    """Relocations of the kind IRELATIVE, by the tables that the loader follows."""
    wanted = _IRELATIVE.get(arch)
    if wanted is None:
        return 0
    wide = binary.header.identity_class == lief.ELF.Header.CLASS.ELF64
    found = 0
    for start, length in set(_relocation_tables(binary)):
        table = data[start : start + length]
        step = 24 if wide else 8
        info = np.frombuffer(
            table, dtype="<u8" if wide else "<u4", count=len(table) // step * step // (8 if wide else 4)
        )
        kinds = info.reshape(-1, step // (8 if wide else 4))[:, 1] & (0xFFFFFFFF if wide else 0xFF)
        found += int((kinds == wanted).sum())
    return found


def _relocation_tables(binary: lief.ELF.Binary) -> Iterator[tuple[int, int]]:
    pairs = ((_TAG.RELA, _TAG.RELASZ), (_TAG.REL, _TAG.RELSZ), (_TAG.JMPREL, _TAG.PLTRELSZ))
    dynamic = False
    for at, size in pairs:
        if binary.has(at) and binary.has(size):
            dynamic = True
            offset = binary.virtual_address_to_offset(value(binary, at))
            if isinstance(offset, int):
                yield offset, value(binary, size)
    if not dynamic:
        for section in binary.sections:
            if section.type in (_SECTION.TYPE.RELA, _SECTION.TYPE.REL) and section.has(_SECTION.FLAGS.ALLOC):
                yield section.file_offset, section.size


def load_segments(binary: lief.ELF.Binary) -> list[lief.ELF.Segment]:
    return [] if is_debug(binary) else [s for s in binary.segments if s.type == _SEGMENT.LOAD]


def loaded(binary: lief.ELF.Binary, data: bytes, *, executable: bool = False) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of what is loaded: by segment; of objects, which have none, by section."""
    segments = load_segments(binary)
    for number, segment in enumerate(segments):
        if not executable or segment.has(_X):
            yield f"segment {number}", data[segment.file_offset : segment.file_offset + segment.physical_size]
    if not segments:
        for section in binary.sections:
            loaded = section.has(_SECTION.FLAGS.ALLOC) and section.type != _SECTION.TYPE.NOBITS
            if loaded and (not executable or section.has(_SECTION.FLAGS.EXECINSTR)):
                yield str(section.name), data[section.file_offset : section.file_offset + section.size]


def dense_by_memory(binary: lief.ELF.Binary, data: bytes) -> dict[str, int]:
    """By kind of memory (code, data, writable), not by section: names and borders move between builds, and can be made up."""
    found: dict[str, int] = {}
    segments = load_segments(binary)
    view = memoryview(data)
    for s in segments:
        place = "code" if s.has(_X) else "writable data" if s.has(_W) else "data"
        found[place] = found.get(place, 0) + dense_bytes(view[s.file_offset : s.file_offset + s.physical_size])
    if not segments:
        found["object"] = sum(dense_bytes(part) for _, part in loaded(binary, data))
    return {place: size for place, size in found.items() if size}


def trailing_bytes(binary: lief.ELF.Binary, data: bytes) -> int:
    """Bytes after all that headers, sections and segments describe."""
    header = binary.header
    ends = [header.section_header_offset + header.numberof_sections * header.section_header_size]
    ends.append(header.program_header_offset + header.numberof_segments * header.program_header_size)
    ends.extend(s.file_offset + s.size for s in binary.sections if s.type != _SECTION.TYPE.NOBITS)
    ends.extend(s.file_offset + s.physical_size for s in binary.segments)
    return max(len(data) - max(ends), 0)
