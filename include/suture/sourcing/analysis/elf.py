"""What an ELF file is and can do, as plain facts: read with lief, judged by nobody here (`elf_changes` compares).

    read_elf(data) -> ElfFacts         raises UnreadableElf

lief parses headers, segments, dynamic entries and symbols. Relocations and contents are read from the raw bytes, by the offsets that
the program headers give, since these are what the loader follows: section headers may say anything, or nothing.

Time and memory are bounded by the input's size, and the whole by the worker's limits (`pool`): lief is native code, and hostile
files have crashed such parsers before.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import lief

from suture.errors import SutureError
from suture.sourcing.analysis.elf_bytes import dense_by_memory, is_debug, loaded, resolvers, trailing_bytes, value
from suture.sourcing.analysis.traces import Traces, direct_syscalls, traces

lief.logging.disable()  # it writes to stdout otherwise, where a worker's answers go

MAGIC = b"\x7fELF"
MAX_SYMBOLS = 2_000_000  # Debian's largest, libLLVM, exports 60,000
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

    variables: exported name → size in bytes, which a program that uses it may have a copy of. debug_info: DWARF lies in the file.
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
    variables: Mapping[str, int]
    debug_info: bool
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
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # lief's, for each number that no enumeration names
            return _facts(data)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:  # ValueError: also names that are no UTF-8
        raise UnreadableElf(f"the parser gives up ({type(error).__name__})") from error


def _facts(data: bytes) -> ElfFacts:
    binary = _parsed(data)
    arch = binary.header.machine_type
    imports, exports, variables, ifuncs, canary_inside = _symbols(binary)
    executable = [bytes_ for name, bytes_ in loaded(binary, data, executable=True)]
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
        variables=variables,
        debug_info=any(str(section.name) == ".debug_info" for section in binary.sections),
        ifuncs=ifuncs,
        resolvers=resolvers(binary, data, arch),
        constructors=_constructors(binary),
        cxx="__gxx_personality_v0" in imports or any(name.startswith("libstdc++.") for name in needed),
        dynamic=binary.has(_SEGMENT.DYNAMIC),
        executable_sections=frozenset(str(s.name) for s in binary.sections if s.has(_SECTION.FLAGS.EXECINSTR)),
        writable_executable=_writable_executable(binary),
        text_relocations=binary.has(_TAG.TEXTREL) or _has_flag(binary, _TAG.FLAGS, lief.ELF.DynamicEntryFlags.FLAG.TEXTREL),
        dense=dense_by_memory(binary, data),
        trailing_bytes=trailing_bytes(binary, data),
        syscalls=direct_syscalls(executable, arch.name),
        traces=traces([bytes_ for _, bytes_ in loaded(binary, data)] or [data]),
        size=len(data),
    )  # fmt: skip


def _parsed(data: bytes) -> lief.ELF.Binary:
    if len(data) < 52 or not data.startswith(MAGIC):
        raise UnreadableElf("it is too short for a header")
    if data[4] not in (1, 2) or data[5] not in (1, 2):
        raise UnreadableElf("it is neither of 32 nor of 64 bits, or has no order of bytes")
    config = lief.ELF.ParserConfig()
    config.parse_relocations = False
    config.parse_overlay = False
    binary = lief.ELF.parse(data, config)
    if binary is not None and not any(s.type == _SECTION.TYPE.DYNSYM for s in binary.sections):
        config.parse_relocations = True  # without that section, only they tell how many symbols there are
        binary = lief.ELF.parse(data, config)
    if binary is None:
        raise UnreadableElf("the parser finds no headers that fit together")
    _must_fit(binary, data)
    return binary


def _must_fit(binary: lief.ELF.Binary, data: bytes) -> None:
    """What the loader would map must lie in the file; a count that the parser did not follow is a file made to mislead it."""
    header = binary.header
    wide = header.identity_class == lief.ELF.Header.CLASS.ELF64
    if header.numberof_segments and header.program_header_size != (56 if wide else 32):
        raise UnreadableElf("its program headers have a size that the kernel does not load")
    if header.numberof_sections and header.section_header_size != (64 if wide else 40):
        raise UnreadableElf("its section headers have an unknown size")
    if header.numberof_segments != len(list(binary.segments)):
        raise UnreadableElf("the program headers are not all there")
    for segment in binary.segments:
        beyond = segment.file_offset + segment.physical_size > len(data)
        if segment.type == _SEGMENT.LOAD and beyond and not is_debug(binary):
            raise UnreadableElf("a segment reaches beyond the end of the file")
    sections = [s for s in binary.sections if s.type not in (_SECTION.TYPE.NOBITS, _SECTION.TYPE.SHT_NULL_)]
    if any(s.file_offset + s.size > len(data) for s in sections):
        raise UnreadableElf("a section reaches beyond the end of the file")
    if header.numberof_sections != len(list(binary.sections)) and header.numberof_sections < 0xFF00:
        raise UnreadableElf("the section headers are not all there")
    if len(binary.dynamic_symbols) > MAX_SYMBOLS:
        raise UnreadableElf(f"it names more than {MAX_SYMBOLS} symbols")


def _kind(binary: lief.ELF.Binary) -> ElfKind:
    kinds = lief.ELF.Header.FILE_TYPE
    if is_debug(binary):
        return ElfKind.DEBUG
    if binary.header.file_type == kinds.REL:
        return ElfKind.OBJECT
    if binary.header.file_type == kinds.EXEC:
        return ElfKind.PROGRAM
    if binary.header.file_type != kinds.DYN:
        return ElfKind.OTHER
    pie = _has_flag(binary, _TAG.FLAGS_1, lief.ELF.DynamicEntryFlags.FLAG.PIE)
    return ElfKind.PROGRAM if pie or (binary.has_interpreter and not binary.has(_TAG.SONAME)) else ElfKind.LIBRARY


def _symbols(binary: lief.ELF.Binary) -> tuple[frozenset[str], dict[str, bool], dict[str, int], frozenset[str], bool]:
    """(imports, exports, sizes of exported variables that are not weak, names of IFUNCs, whether a canary's handler is linked in)."""
    imports: set[str] = set()
    exports: dict[str, bool] = {}
    variables: dict[str, int] = {}
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
            if symbol.type == lief.ELF.Symbol.TYPE.OBJECT and symbol.binding != weak:
                variables[name] = int(symbol.size)
    inside = "__stack_chk_fail" in imports or binary.has_symbol("__stack_chk_fail")
    return frozenset(imports), exports, variables, frozenset(ifuncs), inside


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


def _has_flag(binary: lief.ELF.Binary, tag: Any, flag: Any) -> bool:
    entry = binary.get(tag) if binary.has(tag) else None
    return bool(entry.has(flag)) if isinstance(entry, lief.ELF.DynamicEntryFlags) else False


def _constructors(binary: lief.ELF.Binary) -> int:
    width = 8 if binary.header.identity_class == lief.ELF.Header.CLASS.ELF64 else 4
    tags = (_TAG.INIT_ARRAYSZ, _TAG.PREINIT_ARRAYSZ)
    sizes = [value(binary, tag) for tag in tags if binary.has(tag)]
    if not sizes:  # static programs and objects have no dynamic entries
        types = (_SECTION.TYPE.INIT_ARRAY, _SECTION.TYPE.PREINIT_ARRAY)
        sizes = [s.size for s in binary.sections if s.type in types]
    sizes += [max(s.size - 2 * width, 0) for s in binary.sections if s.name == ".ctors"]
    return sum(sizes) // width


def _writable_executable(binary: lief.ELF.Binary) -> tuple[str, ...]:
    segments = [
        f"segment {n}" for n, s in enumerate(binary.segments) if s.type == _SEGMENT.LOAD and s.has(_W) and s.has(_X)
    ]
    both = (_SECTION.FLAGS.WRITE, _SECTION.FLAGS.EXECINSTR)
    return (*segments, *(str(s.name) for s in binary.sections if all(s.has(flag) for flag in both)))
