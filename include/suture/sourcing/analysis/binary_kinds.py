"""The closed set of what the examiner `binary` can have concerns about. include/policy/examination.yaml gives each its action."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from suture.sourcing.analysis.unreadable import shown
from suture.sourcing.examination import Concern

EXAMINER = "binary"


class Kind(StrEnum):
    """Concerns are new against the older package, unless they say *absolute*: those are raised without one, too."""

    # Implants: what an ordinary update does not do.
    IMPLANT_PATTERN = (
        "implant_pattern"  # code that runs by itself, together with a new ability or hidden bytes, in one file
    )
    NEW_IFUNC = "new_ifunc"  # a resolver that runs while the program is loaded
    RULE_MATCH = "rule_match"  # a YARA rule for implants
    MALWARE_FOUND = "malware_found"  # ClamAV
    PACKED_OR_ENCRYPTED = "packed_or_encrypted"
    WRITABLE_EXECUTABLE = "writable_executable"
    HIDDEN_PROGRAM = "hidden_program"  # a program where none belongs, or within an archive
    SUSPICIOUS_SCRIPT = "suspicious_script"
    RPATH_UNSAFE = "rpath_unsafe"  # absolute: libraries from a folder that others may write to
    MORE_IFUNCS = "more_ifuncs"  # in a file that chose by IFUNC all along
    # Abilities: by what is imported, or by system calls without the C library.
    NEW_ABILITY_NETWORK = "new_ability_network"
    NEW_ABILITY_EXEC = "new_ability_exec"
    NEW_ABILITY_SETUID = "new_ability_setuid"
    NEW_ABILITY_LOAD = "new_ability_load"  # loads code at run time
    NEW_ABILITY_INJECT = "new_ability_inject"  # other processes, the kernel, or memory without a file
    ABILITY_MOVED = "ability_moved"  # new in this file, but other files of the older package had it
    DIRECT_SYSCALL = "direct_syscall"  # round the C library
    # Build and linking.
    HARDENING_LOST = "hardening_lost"
    HARDENING_WEAKER = "hardening_weaker"  # fewer checked functions, or none left to protect
    NEW_CONSTRUCTOR = "new_constructor"
    MORE_STATIC_INITIALISERS = "more_static_initialisers"  # the same in C++, where every global object adds one
    NEW_NEEDED_LIBRARY = "new_needed_library"  # which the package does not declare as a dependency
    DECLARED_LIBRARY = "declared_library"  # which it does
    NEW_EXECUTABLE_SECTION = "new_executable_section"
    INTERPRETER_CHANGED = "interpreter_changed"
    RPATH_ADDED = "rpath_added"
    TRAILING_DATA = "trailing_data"
    EMBEDDED_ADDRESS = "embedded_address"  # a public address, or an onion service
    EMBEDDED_HOST = "embedded_host"
    ABI_BREAK = "abi_break"
    NEW_BINARY = "new_binary"
    # Scripts, archives, blobs.
    RULE_HINT = "rule_hint"
    SCRIPT_ABILITY = "script_ability"
    SUSPICIOUS_ARCHIVE = "suspicious_archive"  # it tries to exhaust, or to leave, what unpacks it
    OPAQUE_DATA = "opaque_data"  # dense bytes in no format that is known, among tests or documents
    DAMAGED_ARCHIVE = "damaged_archive"
    # What could not be examined is never passed.
    UNREADABLE_ELF = "unreadable_elf"
    UNREADABLE_PACKAGE = "unreadable_package"
    NOT_EXAMINED = "not_examined"  # a limit of time, size or depth, or a process that died
    NO_PREDECESSOR = "no_predecessor"


def concern(kind: Kind, subject: str, sentence: str, **details: Any) -> Concern:
    """`sentence` has one {} for the subject. Hostile text is escaped and cut; lists are cut to 40 entries."""
    name = shown(subject)
    text = shown(sentence.replace("{}", name, 1), 600)
    return Concern(kind.value, name, text, {key: _bounded(value) for key, value in details.items()})


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, (set, frozenset)):
        value = sorted(value)
    if isinstance(value, (list, tuple)):
        return [_bounded(item) for item in value[:40]] + ([f"… {len(value) - 40} more"] if len(value) > 40 else [])
    if isinstance(value, Mapping):
        return {shown(str(key)): _bounded(item) for key, item in list(value.items())[:40]}
    return value
