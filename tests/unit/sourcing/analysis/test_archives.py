"""Archives within packages: every form is opened, bombs end at the budget, places outside are refused, damage is told."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest
import zstandard

from suture.sourcing.analysis.archives import Budget, DamagedArchive, HostileArchive, archive_form, open_archive
from suture.sourcing.analysis.unreadable import MIB

TEXT = b"what was packed\n" * 100


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred(name: str, data: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def ar(name: str, data: bytes) -> bytes:
    return b"!<arch>\n" + f"{name:<16}{0:<12}{0:<6}{0:<6}{'644':<8}{len(data):<10}`\n".encode() + data


FORMS = {
    "zip": zipped(inner=TEXT), "tar": tarred("inner", TEXT), "ar": ar("inner/", TEXT), "gz": gzip.compress(TEXT),
    "xz": lzma.compress(TEXT), "lzma": lzma.compress(TEXT, format=lzma.FORMAT_ALONE), "bz2": bz2.compress(TEXT),
    "zst": zstandard.compress(TEXT),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_known_by_its_bytes_and_opened(form: str) -> None:
    assert archive_form(FORMS[form]) == form
    ((path, data),) = open_archive("x", FORMS[form], Budget())
    assert data == TEXT
    assert path.startswith("x!")


@pytest.mark.parametrize("form", FORMS)
def test_a_cut_archive_is_damaged(form: str) -> None:
    whole = FORMS[form]
    cut = whole[: 600 if form == "tar" else len(whole) * 2 // 3]
    assert archive_form(cut) == form
    with pytest.raises(DamagedArchive):
        list(open_archive("x", cut, Budget()))


@pytest.mark.parametrize("form", ["gz", "xz", "bz2", "zst", "zip"])
def test_a_bomb_ends_at_the_budget(form: str) -> None:
    zeros = bytes(64 * MIB)
    bomb = {
        "gz": gzip.compress,
        "xz": lzma.compress,
        "bz2": bz2.compress,
        "zst": zstandard.compress,
        "zip": lambda d: zipped(a=d),
    }[form](zeros)
    assert len(bomb) < MIB
    with pytest.raises(HostileArchive, match="larger than"):
        list(open_archive("x", bomb, Budget(file_bytes=8 * MIB)))
    with pytest.raises(HostileArchive, match="more bytes"):
        list(open_archive("x", bomb, Budget(unpacked_bytes=8 * MIB)))


def test_many_members_end_at_the_budget() -> None:
    many = zipped(**{f"f{number}": b"" for number in range(50)})
    with pytest.raises(HostileArchive, match="more files"):
        list(open_archive("x", many, Budget(members=20)))


@pytest.mark.parametrize("name", ["../outside", "a/../../b", "/etc/passwd", "a\\..\\..\\b"])
def test_a_place_outside_is_refused(name: str) -> None:
    for data in (zipped(**{name: TEXT}), tarred(name, TEXT)):
        with pytest.raises(HostileArchive, match="outside"):
            list(open_archive("x", data, Budget()))


def test_plain_data_is_no_archive() -> None:
    assert [archive_form(data) for data in (b"", b"PK", TEXT, b"BZhx" + TEXT, b"\x7fELF")] == [None] * 5
