"""What is new in an ELF file against its predecessor, as concerns.

The rules, in the order of the code; each follows from what a rebuild of the same source with a small fix does and does not do:
- Abilities: a file that could not use the network (start programs, …) and now can. If another file of the older package could
  already, it is `ability_moved`: code moves between libraries and programs of one source.
- Code that runs by itself: IFUNC resolvers and constructors run before main, in every process that loads the library. C++ adds one
  for each file with a global object, so there a higher number says little. Libraries of mathematics and strings choose variants by
  IFUNC all along (libm by dozens) and gain some; what has eight or more and gains at most half of that is `more_ifuncs`.
- Hidden bytes: dense data, more of it by 32 KiB and a half than before; new executable sections; memory both writable and executable.
- Linking: a new needed library, RPATH, another interpreter.
- Hardening: what was on and is off. The canary and FORTIFY show only where a function needed them, so a file that gained no code
  without them is only `weaker`.
- The implant's pattern: something that starts by itself, and something it starts, both new in one file.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from suture.sourcing.analysis.abilities import KINDS, WORDS, Ability, abilities
from suture.sourcing.analysis.binary_kinds import Kind, concern
from suture.sourcing.analysis.elf import ElfFacts, ElfKind, Relro
from suture.sourcing.examination import Concern

IFUNC_HABIT = 8
DENSE_GROWTH_BYTES = 32 * 1024
_PACKED_SHARE = 0.5
_USUAL_SECTIONS = {
    ".init", ".fini", ".text", ".plt", ".plt.got", ".plt.sec", ".iplt", ".text.unlikely", ".text.hot", ".text.startup", ".text.exit",
    "__libc_freeres_fn", ".init.text", ".exit.text", ".fini.text",
}  # fmt: skip
_RANK = {Relro.NONE: 0, Relro.PARTIAL: 1, Relro.FULL: 2}
_STARTS_ITSELF = {
    Kind.MORE_IFUNCS,
    Kind.NEW_IFUNC,
    Kind.NEW_CONSTRUCTOR,
    Kind.NEW_EXECUTABLE_SECTION,
    Kind.NEW_NEEDED_LIBRARY,
    Kind.DECLARED_LIBRARY,
    Kind.WRITABLE_EXECUTABLE,
}
_IS_STARTED = {
    Kind.NEW_ABILITY_NETWORK, Kind.NEW_ABILITY_EXEC, Kind.NEW_ABILITY_SETUID, Kind.NEW_ABILITY_INJECT, Kind.DIRECT_SYSCALL,
    Kind.PACKED_OR_ENCRYPTED, Kind.EMBEDDED_ADDRESS,
}  # fmt: skip
_OTHERS_WRITE = ("/tmp", "/var/tmp", "/dev/shm", "/home", "/run/user")  # noqa: S108  # named to be refused


def changes(
    path: str,
    old: ElfFacts,
    new: ElfFacts,
    package_abilities: Collection[Ability],
    depends: Collection[str] = (),
    ifunc_habit: int = 0,
) -> list[Concern]:
    """All that is new in `new`. package_abilities: what any file of the older package could do. depends: names of the packages that
    the new one depends on. ifunc_habit: how many IFUNCs its older siblings had, of an object in a static library.
    """
    found = [
        *_abilities(path, old, new, package_abilities),
        *_self_starting(path, old, new, ifunc_habit),
        *_hidden(path, old, new),
        *_linking(path, old, new, depends),
        *_hardening(path, old, new),
        *_addresses(path, old, new),
    ]
    kinds = {Kind(c.kind) for c in found}
    starts, started = kinds & _STARTS_ITSELF, kinds & _IS_STARTED
    if starts and started:
        found.insert(
            0,
            concern(
                Kind.IMPLANT_PATTERN, path,
                "{} has newly both what starts by itself (" + ", ".join(sorted(starts)) + ") and what that may serve ("
                + ", ".join(sorted(started)) + ").",
                starts=starts, started=started,
            ),
        )  # fmt: skip
    return found


def first_sight(path: str, new: ElfFacts, package_abilities: Collection[Ability] | None) -> list[Concern]:
    """Of a file without a predecessor: what holds by itself. package_abilities: None when there is no older package at all."""
    found = [*_absolute_hidden(path, new), *_unsafe_paths(path, new.runpaths)]
    if package_abilities is not None:
        for ability, by in abilities(new).items():
            if ability not in package_abilities:
                found.append(_ability(path, ability, by))
    return found


def _abilities(path: str, old: ElfFacts, new: ElfFacts, package: Collection[Ability]) -> list[Concern]:
    before, now = abilities(old), abilities(new)
    found = []
    for ability in now.keys() - before.keys():
        if ability in package:
            sentence = "{} can newly " + WORDS[ability] + ", as other files of the older package could."
            found.append(concern(Kind.ABILITY_MOVED, path, sentence, ability=ability.value, by=now[ability]))
        else:
            found.append(_ability(path, ability, now[ability]))
    if calls := new.syscalls - old.syscalls:
        names = ", ".join(sorted(calls))
        found.append(
            concern(
                Kind.DIRECT_SYSCALL,
                path,
                "{} newly asks the kernel for " + names + " without the C library.",
                calls=calls,
            )
        )
    return found


def _ability(path: str, ability: Ability, by: Collection[str]) -> Concern:
    names = ", ".join(sorted(by)[:6])
    return concern(KINDS[ability], path, "{} can newly " + WORDS[ability] + " (" + names + ").", by=set(by))


def _self_starting(path: str, old: ElfFacts, new: ElfFacts, ifunc_habit: int) -> list[Concern]:
    found = []
    named = new.ifuncs - old.ifuncs
    if named or new.resolvers > old.resolvers:
        count = max(len(named), new.resolvers - old.resolvers)
        habit = max(old.resolvers, len(old.ifuncs), ifunc_habit)
        kind = Kind.MORE_IFUNCS if habit >= IFUNC_HABIT and count <= habit / 2 else Kind.NEW_IFUNC
        found.append(concern(
            kind, path, "{} has " + str(count) + " new IFUNC(s): their resolvers run in each process that loads it.",
            symbols=named, resolvers_before=old.resolvers, resolvers=new.resolvers,
        ))  # fmt: skip
    if new.constructors > old.constructors:
        kind = Kind.MORE_STATIC_INITIALISERS if old.cxx else Kind.NEW_CONSTRUCTOR
        sentence = f"{{}} runs {new.constructors} functions when it is loaded, it was {old.constructors}."
        found.append(concern(kind, path, sentence, before=old.constructors, now=new.constructors))
    return found


def _hidden(path: str, old: ElfFacts, new: ElfFacts) -> list[Concern]:
    found = []
    before, now = sum(old.dense.values()), sum(new.dense.values())
    # A half more, so that what embeds compressed resources may grow; code that became dense counts from one block on.
    code = new.dense.get("code", 0) - old.dense.get("code", 0)
    if (now - before >= DENSE_GROWTH_BYTES and now > 1.5 * before) or (
        not old.dense.get("code") and code >= DENSE_GROWTH_BYTES // 2
    ):
        sentence = f"{{}} loads {now} bytes that are compressed or encrypted, it was {before}."
        found.append(concern(Kind.PACKED_OR_ENCRYPTED, path, sentence, before=dict(old.dense), now=dict(new.dense)))
    if new.writable_executable and not old.writable_executable:
        found.append(_writable_executable(path, new))
    extra = new.executable_sections - old.executable_sections - _USUAL_SECTIONS
    if extra and new.kind is not ElfKind.OBJECT:
        sentence = "{} has new executable sections: " + ", ".join(sorted(extra)[:5]) + "."
        found.append(concern(Kind.NEW_EXECUTABLE_SECTION, path, sentence, sections=extra))
    if new.trailing_bytes > old.trailing_bytes + 4096:
        sentence = f"{{}} has {new.trailing_bytes} bytes after its end, it was {old.trailing_bytes}."
        found.append(concern(Kind.TRAILING_DATA, path, sentence, before=old.trailing_bytes, now=new.trailing_bytes))
    return found


def _absolute_hidden(path: str, new: ElfFacts) -> list[Concern]:
    found = []
    dense = sum(new.dense.values())
    # By share, since tables are dense too: 168 KB of libcrypto's code are curves, two thirds of a small module one cipher's.
    if dense >= DENSE_GROWTH_BYTES and dense > _PACKED_SHARE * new.size:
        sentence = f"{{}} is packed or encrypted: {dense} of its {new.size} bytes."
        found.append(concern(Kind.PACKED_OR_ENCRYPTED, path, sentence, now=dict(new.dense)))
    if new.writable_executable and new.kind in (ElfKind.PROGRAM, ElfKind.LIBRARY):
        found.append(_writable_executable(path, new))
    return found


def _writable_executable(path: str, new: ElfFacts) -> Concern:
    where = ", ".join(new.writable_executable[:5])
    return concern(Kind.WRITABLE_EXECUTABLE, path, "{} has memory that is both writable and executable: " + where + ".",
                   places=new.writable_executable)  # fmt: skip


def _linking(path: str, old: ElfFacts, new: ElfFacts, depends: Collection[str]) -> list[Concern]:
    found = []
    known = {_unnumbered(name) for name in old.needed}
    extra = {name for name in new.needed if _unnumbered(name) not in known}
    declared = {name for name in extra if is_declared(name, depends)}
    for kind, libraries in ((Kind.NEW_NEEDED_LIBRARY, extra - declared), (Kind.DECLARED_LIBRARY, declared)):
        if libraries:
            sentence = "{} newly needs " + ", ".join(sorted(libraries)[:6]) + "."
            found.append(concern(kind, path, sentence, libraries=libraries))
    paths = [folder for folder in new.runpaths if folder not in old.runpaths]
    unsafe = _unsafe_paths(path, paths)
    found.extend(unsafe)
    if paths and not unsafe:
        sentence = "{} newly looks for libraries in " + ", ".join(paths[:5]) + "."
        found.append(concern(Kind.RPATH_ADDED, path, sentence, folders=paths))
    if old.interpreter != new.interpreter and new.kind is ElfKind.PROGRAM:
        sentence = (
            "{} is now started by "
            + (new.interpreter or "no interpreter")
            + ", it was "
            + (old.interpreter or "none")
            + "."
        )
        found.append(concern(Kind.INTERPRETER_CHANGED, path, sentence, before=old.interpreter, now=new.interpreter))
    return found


def is_declared(soname: str, depends: Collection[str]) -> bool:
    """Whether a package is depended upon that has the name of this library's by Debian policy 8.1: librist.so.4 → librist4."""
    name, _, number = soname.lower().replace("_", "-").partition(".so")
    number = number.lstrip(".")
    names = {f"{name}{number}", f"{name}-{number}"}
    return any(entry.removesuffix("t64") in names for entry in depends)


def _unnumbered(soname: str) -> str:
    """Without its numbers, wherever they stand: bind9's are called libdns-9.18.49-1~deb12u3-Debian.so, Rust's end in a hash."""
    return re.sub(r"-[0-9a-f]{16}(?=\.so)|\d+", "", soname).split(".so")[0].rstrip(".-")


def _unsafe_paths(path: str, folders: Collection[str]) -> list[Concern]:
    unsafe = [f for f in folders if not f.startswith(("/", "$ORIGIN", "${ORIGIN}")) or f.startswith(_OTHERS_WRITE)]
    if not unsafe:
        return []
    sentence = "{} looks for libraries where others may put them: " + ", ".join(repr(f) for f in unsafe[:5]) + "."
    return [concern(Kind.RPATH_UNSAFE, path, sentence, folders=unsafe)]


def _hardening(path: str, old: ElfFacts, new: ElfFacts) -> list[Concern]:
    was, is_ = old.hardening, new.hardening
    lost = []
    if _RANK[is_.relro] < _RANK[was.relro]:
        lost.append(f"RELRO ({was.relro} to {is_.relro})")
    if was.nx and not is_.nx and new.kind is not ElfKind.OBJECT:
        lost.append("a stack that is not executable")
    if was.pie and is_.pie is False:
        lost.append("position independence")
    if new.text_relocations and not old.text_relocations:
        lost.append("code without relocations")
    weaker = [] if not (was.canary and not is_.canary) else ["stack canaries"]
    if was.fortified >= 3 and is_.fortified == 0:
        weaker.append("FORTIFY")
    # Both gone at once in a file that has not shrunk: built without the flags, not merely without a need for them.
    if len(weaker) == 2 and new.size > 0.8 * old.size:
        lost, weaker = lost + weaker, []
    if was.ibt and was.shadow_stack and not (is_.ibt and is_.shadow_stack):
        weaker.append("control-flow enforcement")
    found = []
    for kind, what in ((Kind.HARDENING_LOST, lost), (Kind.HARDENING_WEAKER, weaker)):
        if what:
            found.append(concern(kind, path, "{} has lost " + ", ".join(what) + ".", lost=what))
    return found


def _addresses(path: str, old: ElfFacts, new: ElfFacts) -> list[Concern]:
    found = []
    if addresses := new.traces.addresses - old.traces.addresses:
        sentence = "{} newly holds the address " + ", ".join(sorted(addresses)[:5]) + "."
        found.append(concern(Kind.EMBEDDED_ADDRESS, path, sentence, addresses=addresses))
    if hosts := new.traces.hosts - old.traces.hosts:
        found.append(
            concern(Kind.EMBEDDED_HOST, path, "{} newly names " + ", ".join(sorted(hosts)[:5]) + ".", hosts=hosts)
        )
    return found
