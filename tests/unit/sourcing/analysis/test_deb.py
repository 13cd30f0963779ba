from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from suture.errors import BadInputError
from suture.sourcing import RefusalReason
from suture.sourcing.analysis.deb import iter_contents, package_file, read_deb
from suture.sourcing.analysis.tarball import MemberType
from suture.sourcing.analysis.unreadable import Fault, Limits, PackageUnreadable
from tests.unit.sourcing.analysis.package import CONTROL, Build, ar, deb, info, tar

LINK, HARD, DIR = tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
CONTROL_PART = ("control.tar", tar([(info("./control"), CONTROL)]))
VERSION_PART = ("debian-binary", b"2.0\n")


def written(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "portal_1.0_amd64.deb"
    path.write_bytes(data)
    return path


def fault_of(tmp_path: Path, data: bytes, limits: Limits | None = None) -> PackageUnreadable:
    path = written(tmp_path, data)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(PackageUnreadable) as caught:
        read_deb(path, limits)
    assert sorted(tmp_path.rglob("*")) == before, "something was written to disk"
    assert "portal_1.0_amd64.deb" in str(caught.value)
    return caught.value


@pytest.mark.parametrize("compression", ["xz", "gzip", "zstd", "none"])
def test_reads_what_dpkg_built_as_dpkg_reads_it(tmp_path: Path, compression: str) -> None:
    build = Build(
        files={
            "usr/bin/helper": (b"\x7fELF\x00" * 999, 0o4755), "etc/portal.conf": ("a = 1\n", 0o640),
            "usr/lib/portal/current": ("->../../bin/helper", 0o777), "usr/share/x/" + "long" * 40: ("long name", 0o644),
        },
        scripts={"postinst": "echo hello"}, conffiles=("etc/portal.conf",), control={"triggers": "interest-noawait /etc\n# no\n"},
        fields={"Depends": "libc6 (>= 2.36),\n adduser"}, compression=compression,
    )  # fmt: skip
    found = read_deb(build.into(tmp_path).path, keep=lambda member: member.path == "etc/portal.conf")
    listed = subprocess.run(["dpkg-deb", "-c", str(found.path)], capture_output=True, text=True, check=True).stdout
    names = {
        line.split(None, 5)[5].split(" -> ")[0].removeprefix("./").rstrip("/") or "." for line in listed.splitlines()
    }
    assert set(found.members) == names
    assert (found.name, found.version, found.source) == ("portal", "1.0-1", ("portal", "1.0-1"))
    assert found.fields["Depends"] == "libc6 (>= 2.36),\nadduser"
    assert found.members["usr/bin/helper"].mode == 0o4755
    assert found.members["usr/lib/portal/current"].target == "../../bin/helper"
    assert found.contents == {"etc/portal.conf": b"a = 1\n"}
    assert found.conffiles == ("etc/portal.conf",)
    assert found.triggers == ("interest-noawait /etc",)
    assert "echo hello" in found.scripts["postinst"]
    assert all(found.regular(path).md5 == digest for path, digest in found.md5sums.items())  # type: ignore[union-attr]


def test_contents_flow_by_and_need_not_be_read(tmp_path: Path) -> None:
    path = Build().plus("usr/share/a", "A" * 100_000).plus("usr/share/b", "B").into(tmp_path).path
    seen = {}
    for member, file in iter_contents(path):
        if member.path != "usr/share/a":
            seen[member.path] = file.read()
    assert seen["usr/share/b"] == b"B"
    assert seen["usr/share"] == b""


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        ("", bytes), (".gz", gzip.compress), (".xz", lzma.compress), (".bz2", bz2.compress),
        (".zst", zstandard.ZstdCompressor().compress), (".lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
    ],
)  # fmt: skip
def test_every_compression_and_what_is_cut_of_it(tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    plain = tar([(info("./usr/a"), bytes(range(256)) * 400)])
    packed = pack(plain)
    assert read_deb(written(tmp_path, deb(packed, suffix=suffix))).members["usr/a"].size == 102_400
    for cut in (len(packed) // 3, len(packed) // 2):
        assert fault_of(tmp_path, deb(packed[:cut], suffix=suffix)).reason is RefusalReason.TRUNCATED
    damaged = bytearray(packed)
    damaged[len(damaged) // 2] ^= 0xFF
    if suffix:
        assert fault_of(tmp_path, deb(bytes(damaged[:40]) + b"\xff" * 60 + bytes(damaged[100:]), suffix=suffix)).fault in {
            Fault.DAMAGED, Fault.TRUNCATED, Fault.TRAILING_DATA,
        }  # fmt: skip
        fault = fault_of(tmp_path, deb(packed + b"hidden behind the end", suffix=suffix)).fault
        assert fault in {Fault.TRAILING_DATA, Fault.DAMAGED}


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ([(info("../evil"), b"x")], Fault.TRAVERSAL),
        ([(info("./usr/../../evil"), b"x")], Fault.TRAVERSAL),
        ([(info("/etc/evil"), b"x")], Fault.ABSOLUTE_NAME),
        ([(info(".//etc/evil"), b"x")], Fault.BAD_NAME),
        ([(info("./usr/./evil"), b"x")], Fault.BAD_NAME),
        ([(info("./usr/a\nb"), b"x")], Fault.BAD_NAME),
        ([(info("./usr/\x1b[31m"), b"x")], Fault.BAD_NAME),
        ([(info("./" + "n" * 2000), b"x")], Fault.BAD_NAME),
        ([(info("./" + "d/" * 60 + "x"), b"x")], Fault.TOO_DEEP),
        ([(info("./usr/a"), b"x"), (info("./usr/a"), b"y")], Fault.DUPLICATE),
        ([(info("./usr/a"), b"x"), (info("usr/a"), b"y")], Fault.DUPLICATE),
        ([(info("./dev/sda", tarfile.BLKTYPE), b"")], Fault.DEVICE),
        ([(info("./dev/tty", tarfile.CHRTYPE), b"")], Fault.DEVICE),
        ([(info("./usr/l", LINK, "../../etc/passwd"), b"")], Fault.LINK_ESCAPE),
        ([(info("./usr/l", LINK, "x/../../../etc"), b"")], Fault.LINK_ESCAPE),
        ([(info("./usr/l", LINK, "/etc"), b""), (info("./usr/l/passwd"), b"x")], Fault.LINK_ESCAPE),
        ([(info("./usr/f"), b""), (info("./usr/f/x"), b"x")], Fault.LINK_ESCAPE),
        ([(info("./usr/h", HARD, "/etc/shadow"), b"")], Fault.LINK_ESCAPE),
        ([(info("./usr/h", HARD, "../etc/shadow"), b"")], Fault.LINK_ESCAPE),
        ([(info("./usr/h", HARD, "./etc/shadow"), b"")], Fault.LINK_ESCAPE),
        ([(info("./usr/l", LINK, "/etc/shadow"), b""), (info("./usr/h", HARD, "./usr/l"), b"")], Fault.LINK_ESCAPE),
        ([(info("./usr/x", b"Z"), b"x")], Fault.UNUSUAL_TYPE),
        ([(info("./usr/c", tarfile.CONTTYPE), b"x")], Fault.UNUSUAL_TYPE),
    ],
)  # fmt: skip
def test_a_hostile_member_refuses_the_whole_package(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], fault: Fault
) -> None:
    found = fault_of(tmp_path, deb(tar([(info("./usr", DIR, mode=0o755), b""), *members])))
    assert (found.fault, found.reason) == (fault, RefusalReason.MALFORMED)
    assert "\n" not in str(found)
    assert "\x1b" not in str(found)


def test_links_that_packages_really_ship_are_read(tmp_path: Path) -> None:
    members = [
        (info("./etc/x", LINK, "/etc/alternatives/x"), b""), (info("./usr/lib/a"), b"a"),
        (info("./usr/lib/b", HARD, "./usr/lib/a"), b""), (info("./usr/lib/c", LINK, "../../usr/lib/a"), b""),
    ]  # fmt: skip
    found = read_deb(written(tmp_path, deb(tar(members))))
    assert found.members["usr/lib/b"].type is MemberType.HARDLINK
    assert found.regular("usr/lib/b") == found.members["usr/lib/a"]


def test_what_tarfile_overlooks_is_seen(tmp_path: Path) -> None:
    good, hidden = tar([(info("./usr/a"), b"a")])[:1024], tar([(info("./usr/bin/hidden"), b"x")])
    broken = bytearray(hidden)
    broken[150] ^= 0x01  # its checksum
    with tarfile.open(fileobj=io.BytesIO(good + bytes(broken))) as archive:
        assert archive.getnames() == ["./usr/a"], "tarfile stops without a word at a broken header"
    assert fault_of(tmp_path, deb(good + bytes(broken))).fault is Fault.DAMAGED
    assert fault_of(tmp_path, deb(good + b"\0" * 512 + hidden)).fault is Fault.TRAILING_DATA
    assert fault_of(tmp_path, deb(good)).fault is Fault.TRUNCATED
    assert fault_of(tmp_path, deb(b"")).fault is Fault.TRUNCATED


def test_a_second_part_of_a_name_in_a_gnu_header_is_refused(tmp_path: Path) -> None:
    block = bytearray(tar([(info("./usr/bin/x"), b"x")]))
    block[345:349] = b"evil"
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block[:512]):06o}\0 ".encode()
    assert fault_of(tmp_path, deb(bytes(block))).fault is Fault.DAMAGED


def test_attributes_out_of_pax_headers(tmp_path: Path) -> None:
    member = info("./usr/bin/ping")
    member.pax_headers = {"SCHILY.xattr.security.capability": "\x01\x00\x02"}
    found = read_deb(written(tmp_path, deb(tar([(member, b"x")], tarfile.PAX_FORMAT))))
    assert found.members["usr/bin/ping"].xattrs == {"security.capability": b"\x01\x00\x02"}


@pytest.mark.parametrize(
    ("limits", "fault"),
    [
        (Limits(members=3), Fault.TOO_MANY_MEMBERS),
        (Limits(file_bytes=1000), Fault.TOO_LARGE),
        (Limits(unpacked_bytes=4000), Fault.TOO_LARGE),
        (Limits(ratio=10, ratio_free_bytes=5000), Fault.BOMB),
    ],
)
def test_limits(tmp_path: Path, limits: Limits, fault: Fault) -> None:
    members = [(info(f"./usr/{number}"), b"\0" * 5000) for number in range(5)]
    data = deb(lzma.compress(tar(members)), suffix=".xz")
    assert fault_of(tmp_path, data, limits).fault is fault
    assert len(read_deb(written(tmp_path, data)).members) == 5


def test_a_bomb_is_stopped_long_before_it_is_unpacked(tmp_path: Path) -> None:
    zeros = b"\0" * (1 << 20)
    head = tar([(info("./usr/bomb"), b"")])[:512]
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    packed = compressor.compress(head) + b"".join(compressor.compress(zeros) for _ in range(60)) + compressor.flush()
    assert len(packed) < 100_000
    found = fault_of(tmp_path, deb(packed, suffix=".zst"), Limits(ratio_free_bytes=1 << 20))
    assert found.fault is Fault.BOMB


def test_a_long_name_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    huge = info("././@LongLink", tarfile.GNUTYPE_LONGNAME)
    huge.size = 3 << 30
    assert fault_of(tmp_path, deb(huge.tobuf(tarfile.GNU_FORMAT))).fault is Fault.TOO_LARGE


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", Fault.TRUNCATED),
        (b"MZ, no package", Fault.NOT_A_PACKAGE),
        (b"!<arch>\nnonsense", Fault.TRUNCATED),
        (ar([VERSION_PART]), Fault.TRUNCATED),
        (ar([VERSION_PART, CONTROL_PART]), Fault.TRUNCATED),
        (ar([VERSION_PART, CONTROL_PART, ("data.tar", tar([])), ("data.tar", tar([]))]), Fault.DUPLICATE),
        (ar([VERSION_PART, CONTROL_PART, ("data.tar", tar([])), ("evil", b"x")]), Fault.NOT_A_PACKAGE),
        (ar([("debian-binary", b"3.0\n"), CONTROL_PART, ("data.tar", tar([]))]), Fault.NOT_A_PACKAGE),
        (deb(tar([])) + b"trailing", Fault.TRUNCATED),
        (deb(tar([]))[:-700], Fault.TRUNCATED),
        (deb(tar([]), control=tar([(info("./control", LINK, "/etc/passwd"), b"")])), Fault.CONTROL),
        (deb(tar([]), control=tar([(info("./sub/postinst"), b"x")])), Fault.CONTROL),
        (deb(tar([]), control=tar([(info("./postinst"), b"x")])), Fault.CONTROL),
        (deb(tar([]), control=tar([(info("./control"), CONTROL + b"version: 2\n")])), Fault.CONTROL),
        (deb(tar([]), control=tar([(info("./control"), CONTROL.replace(b"1.0", b"1.0;rm"))])), Fault.CONTROL),
    ],
)  # fmt: skip
def test_a_broken_package_is_refused(tmp_path: Path, data: bytes, fault: Fault) -> None:
    assert fault_of(tmp_path, data).fault is fault


def test_what_dpkg_skips_is_named(tmp_path: Path) -> None:
    data = ar([VERSION_PART, CONTROL_PART, ("data.tar", tar([])), ("_gpgorigin", b"signature")])
    assert read_deb(written(tmp_path, data)).extras == ("_gpgorigin",)


def test_a_file_that_is_not_there_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"nowhere\.deb"):
        package_file(tmp_path / "nowhere.deb")


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".zst"])
def test_whatever_bytes_are_changed_it_is_read_or_refused_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    pack: dict[str, Callable[[bytes], bytes]] = {
        "": bytes, ".gz": gzip.compress, ".xz": lzma.compress, ".zst": zstandard.ZstdCompressor().compress,
    }  # fmt: skip
    members = [(info("./usr", DIR), b""), (info("./usr/a"), b"a" * 700), (info("./usr/" + "n" * 150), b"b"),
               (info("./usr/l", LINK, "a"), b""), (info("./usr/h", HARD, "./usr/a"), b"")]  # fmt: skip
    good = deb(pack[suffix](tar(members)), suffix=suffix)
    dice = random.Random(20261126)
    refused = 0
    for _ in range(400):
        data = bytearray(good)
        for _ in range(dice.choice([1, 1, 2, 8])):
            data[dice.randrange(len(data))] = dice.choice([0, 0xFF, 0x2F, 0x2E, 0x38, dice.randrange(256)])
        if dice.random() < 0.2:
            del data[dice.randrange(len(data)) :]
        try:
            found = read_deb(written(tmp_path, bytes(data)))
        except PackageUnreadable:
            refused += 1
        else:
            assert all(".." not in path.split("/") and not path.startswith("/") for path in found.members)
    assert 100 < refused <= 400
