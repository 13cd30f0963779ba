"""The symbols that a shared library exports (lief). Bounded: larger libraries are left to the binary examiner."""

from __future__ import annotations

import lief

MAX_BYTES = 24 * 1024 * 1024
_GLOBAL = (lief.ELF.Symbol.BINDING.GLOBAL, lief.ELF.Symbol.BINDING.WEAK, lief.ELF.Symbol.BINDING.GNU_UNIQUE)

lief.logging.disable()


def exported(data: bytes) -> frozenset[str] | None:
    """Names of what a library defines for others; None for what is no ELF file or cannot be read."""
    if not data.startswith(b"\x7fELF"):
        return None
    config = lief.ELF.ParserConfig()
    config.parse_relocations = config.parse_notes = config.parse_overlay = config.parse_symtab_symbols = False
    config.parse_symbol_versions = False
    binary = lief.ELF.parse(data, config)
    if binary is None:
        return None
    return frozenset(
        str(symbol.name) for symbol in binary.dynamic_symbols if symbol.shndx != 0 and symbol.binding in _GLOBAL
    )
