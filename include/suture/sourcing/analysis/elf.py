"""What an ELF file is and can do, as plain facts: read with lief, judged by nobody here (`elf_changes` compares).

    read_elf(data) -> ElfFacts         raises UnreadableElf

lief parses headers, segments, dynamic entries and symbols. Relocations and contents are read from the raw bytes, by the offsets that
the program headers give, since these are what the loader follows: section headers may say anything, or nothing.

Time and memory are bounded by the input's size, and the whole by the worker's limits (`pool`): lief is native code, and hostile
files have crashed such parsers before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import lief
import numpy as np

from suture.errors import SutureError
from suture.sourcing.analysis.entropy import dense_bytes
from suture.sourcing.analysis.traces import Traces, direct_syscalls, traces

lief.logging.disable()  # it writes to stdout otherwise, where a worker's answers go

MAGIC = b"\x7fELF"
MAX_SYMBOLS = 2_000_000  # Debian's largest, libLLVM, exports 60,000
_IRELATIVE = {lief.ELF.ARCH.X86_64: 37, lief.ELF.ARCH.I386: 42, lief.ELF.ARCH.AARCH64: 1032, lief.ELF.ARCH.ARM: 160,
              lief.ELF.ARCH.PPC64: 248, lief.ELF.ARCH.S390: 61, lief.ELF.ARCH.RISCV: 58}  # fmt: skip
_TAG = lief.ELF.DynamicEntry.TAG
_SEGMENT = lief.ELF.Segment.TYPE
_SECTION = lief.ELF.Section
_W, _X = lief.ELF.Segment.FLAGS.W, lief.ELF.Segment.FLAGS.X
_IFUNC = lief.ELF.Symbol.TYPE.GNU_IFUNC


class UnreadableElf(SutureError):
    """The bytes claim to be ELF and are none that can be trusted. reason: one short phrase."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The ELF file cannot be read: {reason}.")
        self.reason = reason


class ElfKind(StrEnum):
    """library: a shared object, plugins included. object: what a linker takes (.o, .ko).

    debug: what a debugger takes; its program headers describe another file, from which it was split.
    """

    PROGRAM = "program"
    LIBRARY = "library"
    OBJECT = "object"
    DEBUG = "debug"
    OTHER = "other"


class Relro(StrEnum):
    """How much of a program's tables is read-only once it is loaded, weakest first."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


@dataclass(frozen=True)
class Hardening:
    """pie: None where the question has no meaning (libraries, objects). fortified: functions of glibc with checked sizes."""

    relro: Relro
    canary: bool
    nx: bool
    pie: bool | None
    fortified: int
    ibt: bool
    shadow_stack: bool


@dataclass(frozen=True)
class ElfFacts:
    """machine: lief's name. soname, interpreter: '' for none. exports: name → whether it is a weak symbol (C++ emits templates so).

    ifuncs: names of exported IFUNCs; resolvers: relocations that call a resolver while the program is loaded (also for unnamed
    ones). constructors: entries of init_array and preinit_array. dense: section or segment → bytes in compressed or encrypted blocks,
    of what is loaded. trailing_bytes: after the end of what the headers describe.
    """

    kind: ElfKind
    machine: str
    soname: str
    interpreter: str
    needed: tuple[str, ...]
    runpaths: tuple[str, ...]
    hardening: Hardening
    imports: frozenset[str]
    exports: Mapping[str, bool]
    ifuncs: frozenset[str]
    resolvers: int
    constructors: int
    cxx: bool
    dynamic: bool
    executable_sections: frozenset[str]
    writable_executable: tuple[str, ...]
    text_relocations: bool
    dense: Mapping[str, int]
    trailing_bytes: int
    syscalls: frozenset[str]
    traces: Traces
    size: int


def read_elf(data: bytes) -> ElfFacts:
    """The facts of one ELF file. Raises UnreadableElf."""
    binary = _parsed(data)
    arch = binary.header.machine_type
    imports, exports, ifuncs, canary_inside = _symbols(binary)
    executable = [bytes_ for name, bytes_ in _loaded(binary, data, executable=True)]
    kind = _kind(binary)
    needed = tuple(str(name) for name in binary.libraries)
    return ElfFacts(
        kind=kind,
        machine=arch.name,
        soname=_text(binary, _TAG.SONAME, "name"),
        interpreter=str(binary.interpreter) if binary.has_interpreter else "",
        needed=needed,
        runpaths=_runpaths(binary),
        hardening=_hardening(binary, kind, imports, canary_inside),
        imports=imports,
        exports=exports,
        ifuncs=ifuncs,
        resolvers=_resolvers(binary, data, arch),
        constructors=_constructors(binary),
        cxx="__gxx_personality_v0" in imports or any(name.startswith("libstdc++.") for name in needed),
        dynamic=binary.has(_SEGMENT.DYNAMIC),
        executable_sections=frozenset(str(s.name) for s in binary.sections if s.has(_SECTION.FLAGS.EXECINSTR)),
        writable_executable=_writable_executable(binary),
        text_relocations=binary.has(_TAG.TEXTREL) or _has_flag(binary, _TAG.FLAGS, lief.ELF.DynamicEntryFlags.FLAG.TEXTREL),
        dense=_dense(binary, data),
        trailing_bytes=_trailing(binary, data),
        syscalls=direct_syscalls(executable, arch.name),
        traces=traces([bytes_ for _, bytes_ in _loaded(binary, data)] or [data]),
        size=len(data),
    )  # fmt: skip


def _parsed(data: bytes) -> lief.ELF.Binary:
    if len(data) < 52 or not data.startswith(MAGIC):
        raise UnreadableElf("it is too short for a header")
    config = lief.ELF.ParserConfig()
    config.parse_relocations = False
    config.parse_overlay = False
    try:
        binary = lief.ELF.parse(data, config)
        if binary is not None and not any(s.type == _SECTION.TYPE.DYNSYM for s in binary.sections):
            config.parse_relocations = True  # without that section, only they tell how many symbols there are
            binary = lief.ELF.parse(data, config)
    except (RuntimeError, ValueError, TypeError, MemoryError, UnicodeDecodeError) as error:
        raise UnreadableElf(f"the parser gives up ({type(error).__name__})") from error
    if binary is None:
        raise UnreadableElf("the parser finds no headers that fit together")
    _must_fit(binary, data)
    return binary


def _must_fit(binary: lief.ELF.Binary, data: bytes) -> None:
    """What the loader would map must lie in the file; a count that the parser did not follow is a file made to mislead it."""
    header = binary.header
    if header.numberof_segments != len(list(binary.segments)):
        raise UnreadableElf("the program headers are not all there")
    for segment in binary.segments:
        beyond = segment.file_offset + segment.physical_size > len(data)
        if segment.type == _SEGMENT.LOAD and beyond and not _is_debug(binary):
            raise UnreadableElf("a segment reaches beyond the end of the file")
    sections = [s for s in binary.sections if s.type not in (_SECTION.TYPE.NOBITS, _SECTION.TYPE.SHT_NULL_)]
    if any(s.file_offset + s.size > len(data) for s in sections):
        raise UnreadableElf("a section reaches beyond the end of the file")
    if header.numberof_sections != len(list(binary.sections)) and header.numberof_sections < 0xFF00:
        raise UnreadableElf("the section headers are not all there")
    if len(binary.dynamic_symbols) > MAX_SYMBOLS:
        raise UnreadableElf(f"it names more than {MAX_SYMBOLS} symbols")


def _is_debug(binary: lief.ELF.Binary) -> bool:
    """No section of its code has bytes, as `objcopy --only-keep-debug` leaves it."""
    code = [s for s in binary.sections if s.has(_SECTION.FLAGS.EXECINSTR)]
    return bool(code) and all(s.type == _SECTION.TYPE.NOBITS for s in code)


def _kind(binary: lief.ELF.Binary) -> ElfKind:
    kinds = lief.ELF.Header.FILE_TYPE
    if _is_debug(binary):
        return ElfKind.DEBUG
    if binary.header.file_type == kinds.REL:
        return ElfKind.OBJECT
    if binary.header.file_type == kinds.EXEC:
        return ElfKind.PROGRAM
    if binary.header.file_type != kinds.DYN:
        return ElfKind.OTHER
    pie = _has_flag(binary, _TAG.FLAGS_1, lief.ELF.DynamicEntryFlags.FLAG.PIE)
    return ElfKind.PROGRAM if pie or (binary.has_interpreter and not binary.has(_TAG.SONAME)) else ElfKind.LIBRARY


def _symbols(binary: lief.ELF.Binary) -> tuple[frozenset[str], dict[str, bool], frozenset[str], bool]:
    """(imports, exports, names of IFUNCs, whether a canary's handler is linked in)."""
    imports: set[str] = set()
    exports: dict[str, bool] = {}
    ifuncs: set[str] = set()
    relocatable = binary.header.file_type == lief.ELF.Header.FILE_TYPE.REL
    weak = lief.ELF.Symbol.BINDING.WEAK
    local = lief.ELF.Symbol.BINDING.LOCAL
    for symbol in binary.symtab_symbols if relocatable else binary.dynamic_symbols:
        name = str(symbol.name)
        if not name:
            continue
        if symbol.type == _IFUNC and symbol.shndx != 0:
            ifuncs.add(name)
        if symbol.shndx == 0:
            imports.add(name)
        elif symbol.binding != local:
            exports[name] = symbol.binding == weak
    inside = "__stack_chk_fail" in imports or binary.has_symbol("__stack_chk_fail")
    return frozenset(imports), exports, frozenset(ifuncs), inside


def _hardening(binary: lief.ELF.Binary, kind: ElfKind, imports: frozenset[str], canary: bool) -> Hardening:
    flags = lief.ELF.DynamicEntryFlags.FLAG
    now = (
        binary.has(_TAG.BIND_NOW) or _has_flag(binary, _TAG.FLAGS, flags.BIND_NOW) or _has_flag(binary, _TAG.FLAGS_1, flags.NOW)
    )  # fmt: skip
    relro = Relro.NONE
    if binary.has(_SEGMENT.GNU_RELRO):
        relro = Relro.FULL if now else Relro.PARTIAL
    features: set[str] = set()
    for note in binary.notes if len(list(binary.notes)) < 64 else ():
        if note.type == lief.ELF.Note.TYPE.GNU_PROPERTY_TYPE_0:
            features.update(word for word in ("IBT", "SHSTK") if word in str(note))
    pie = binary.header.file_type == lief.ELF.Header.FILE_TYPE.DYN if kind is ElfKind.PROGRAM else None
    checked = {name for name in imports if name.startswith("__") and name.endswith("_chk")}
    return Hardening(
        relro, canary, bool(binary.has_nx), pie, len(checked), "IBT" in features, "SHADOW_STACK" in features
    )


def _runpaths(binary: lief.ELF.Binary) -> tuple[str, ...]:
    """Folders of DT_RPATH and DT_RUNPATH, in order; an empty one is the folder one stands in."""
    found: list[str] = []
    for tag, attribute in ((_TAG.RPATH, "rpath"), (_TAG.RUNPATH, "runpath")):
        if binary.has(tag):
            found.extend(_text(binary, tag, attribute).split(":"))
    return tuple(found)


def _text(binary: lief.ELF.Binary, tag: Any, attribute: str) -> str:
    entry = binary.get(tag) if binary.has(tag) else None
    return str(getattr(entry, attribute, "")) if entry is not None else ""


def _value(binary: lief.ELF.Binary, tag: Any) -> int:
    entry = binary.get(tag)
    return int(entry.value) if entry is not None else 0


def _has_flag(binary: lief.ELF.Binary, tag: Any, flag: Any) -> bool:
    entry = binary.get(tag) if binary.has(tag) else None
    return bool(entry.has(flag)) if isinstance(entry, lief.ELF.DynamicEntryFlags) else False


def _constructors(binary: lief.ELF.Binary) -> int:
    width = 8 if binary.header.identity_class == lief.ELF.Header.CLASS.ELF64 else 4
    tags = (_TAG.INIT_ARRAYSZ, _TAG.PREINIT_ARRAYSZ)
    sizes = [_value(binary, tag) for tag in tags if binary.has(tag)]
    if not sizes:  # static programs and objects have no dynamic entries
        types = (_SECTION.TYPE.INIT_ARRAY, _SECTION.TYPE.PREINIT_ARRAY)
        sizes = [s.size for s in binary.sections if s.type in types]
    sizes += [max(s.size - 2 * width, 0) for s in binary.sections if s.name == ".ctors"]
    return sum(sizes) // width


def _resolvers(binary: lief.ELF.Binary, data: bytes, arch: Any) -> int:
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
            offset = binary.virtual_address_to_offset(_value(binary, at))
            if isinstance(offset, int):
                yield offset, _value(binary, size)
    if not dynamic:
        for section in binary.sections:
            if section.type in (_SECTION.TYPE.RELA, _SECTION.TYPE.REL) and section.has(_SECTION.FLAGS.ALLOC):
                yield section.file_offset, section.size


def _load_segments(binary: lief.ELF.Binary) -> list[lief.ELF.Segment]:
    return [] if _is_debug(binary) else [s for s in binary.segments if s.type == _SEGMENT.LOAD]


def _loaded(binary: lief.ELF.Binary, data: bytes, *, executable: bool = False) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of what is loaded: by segment; of objects, which have none, by section."""
    segments = _load_segments(binary)
    for number, segment in enumerate(segments):
        if not executable or segment.has(_X):
            yield f"segment {number}", data[segment.file_offset : segment.file_offset + segment.physical_size]
    if not segments:
        for section in binary.sections:
            loaded = section.has(_SECTION.FLAGS.ALLOC) and section.type != _SECTION.TYPE.NOBITS
            if loaded and (not executable or section.has(_SECTION.FLAGS.EXECINSTR)):
                yield str(section.name), data[section.file_offset : section.file_offset + section.size]


def _dense(binary: lief.ELF.Binary, data: bytes) -> dict[str, int]:
    """By kind of memory (code, data, writable), not by section: names and borders move between builds, and can be made up."""
    found: dict[str, int] = {}
    segments = _load_segments(binary)
    view = memoryview(data)
    for s in segments:
        place = "code" if s.has(_X) else "writable data" if s.has(_W) else "data"
        found[place] = found.get(place, 0) + dense_bytes(view[s.file_offset : s.file_offset + s.physical_size])
    if not segments:
        found["object"] = sum(dense_bytes(part) for _, part in _loaded(binary, data))
    return {place: size for place, size in found.items() if size}


def _writable_executable(binary: lief.ELF.Binary) -> tuple[str, ...]:
    segments = [
        f"segment {n}" for n, s in enumerate(binary.segments) if s.type == _SEGMENT.LOAD and s.has(_W) and s.has(_X)
    ]
    both = (_SECTION.FLAGS.WRITE, _SECTION.FLAGS.EXECINSTR)
    return (*segments, *(str(s.name) for s in binary.sections if all(s.has(flag) for flag in both)))


def _trailing(binary: lief.ELF.Binary, data: bytes) -> int:
    """Bytes after all that headers, sections and segments describe."""
    header = binary.header
    ends = [header.section_header_offset + header.numberof_sections * header.section_header_size]
    ends.append(header.program_header_offset + header.numberof_segments * header.program_header_size)
    ends.extend(s.file_offset + s.size for s in binary.sections if s.type != _SECTION.TYPE.NOBITS)
    ends.extend(s.file_offset + s.physical_size for s in binary.segments)
    return max(len(data) - max(ends), 0)
