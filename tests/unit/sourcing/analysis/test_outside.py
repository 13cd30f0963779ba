"""Other programs: their limits, their absence, and what abidiff, ClamAV and diffoscope themselves say of real packages.

abidiff and diffoscope are in packages.txt. ClamAV (75 MB installed, with a service that asks for signatures) is not: without it
"""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tarfile
import time
import zipfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from suture.command.processes import start_ticks, wait_until
from suture.settings import PROJECT_ROOT
from suture.sourcing.analysis import binary, malware, outside
from suture.sourcing.analysis.binary import BinarySettings
from suture.sourcing.analysis.binary_kinds import Kind
from suture.sourcing.examination import Concern, Examination, PackageFile, Subject
from tests.conftest import miss
from tests.unit.sourcing.analysis import planted
from tests.unit.sourcing.analysis.package import Build


def test_absence_is_told_and_is_no_verdict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert outside.run(["abidiff"]).status == "absent"
    assert outside.abi_difference(tmp_path, tmp_path) == outside.ABSENT
    assert malware.scan(tmp_path) == malware.Scan(None, why_not="ClamAV is not installed")
    assert malware.scan(tmp_path).told() == {"present": False, "why": "ClamAV is not installed"}


def test_a_program_that_does_not_end_is_ended() -> None:
    started = time.monotonic()
    result = outside.run([sys.executable, "-c", "import time; time.sleep(60)"], seconds=1)
    assert result.status == "unfinished"
    assert time.monotonic() - started < 50


def test_what_a_program_started_ends_with_it(tmp_path: Path) -> None:
    """diffoscope starts a dozen others; one that outlives its limit must not go on in their shape."""
    started = tmp_path / "started"
    child = f"echo $$ > {started}.new; mv {started}.new {started}; exec sleep 600"
    parent = f"import subprocess, time; subprocess.Popen(['sh', '-c', {child!r}]); time.sleep(600)"
    for seconds in (1, 5, 25, 100):  # a busy machine needs a while to start anything
        assert outside.run([sys.executable, "-c", parent], seconds=seconds).status == "unfinished"
        if started.exists():
            break
    pid = int(started.read_text())
    assert wait_until(lambda: start_ticks(pid) is None, timeout_s=30)


def test_a_program_that_floods_or_eats_is_bounded() -> None:
    flood = outside.run([sys.executable, "-c", "print('x' * 10_000_000)"])
    assert len(flood.output) == 256 * 1024
    eats = outside.run([sys.executable, "-c", "x = bytearray(2 << 30)"], memory_bytes=1 << 30)
    assert eats.status == "1"


def tool(name: str, package: str) -> None:
    if shutil.which(name) is None:
        miss(name, f"apt-get install {package}")


POINT = """
struct point { int x; };
int table[4] = {1, 2, 3, 4};
int gone(int n) { return n; }
int stay(struct point *p) { return p->x; }
"""
GROWN = POINT.replace("int x;", "int x; long y;")
SHORTER = POINT.replace("int gone(int n) { return n; }", "")
WIDER = POINT.replace("table[4]", "table[8]")
NO_TOOLS = BinarySettings(tools=False)


def library_update(folder: Path, old: str, new: str, *flags: str) -> Subject:
    """Two versions of a package with one library, compiled from these."""
    if not planted.HAVE_COMPILER:
        miss("gcc", "apt-get install gcc")
    before, after = (planted.compiled(folder, source, *flags) for source in (old, new))
    return planted.update(folder, {planted.LIBRARY: before}, {planted.LIBRARY: after})


def broken(examination: Examination) -> Concern | None:
    return next((one for one in examination.concerns if one.kind == Kind.ABI_BREAK), None)


@pytest.mark.parametrize(
    ("new", "flags", "words"),
    [
        (SHORTER, (), "[D] gone"),
        (SHORTER, ("-g",), "[D] 'function int gone(int)'    {gone}"),
        (GROWN, ("-g",), "type size changed from 32 to 128 (in bits)"),
        (WIDER, ("-g",), "size of symbol changed from 16 to 32"),
    ],
)
def test_abidiffs_own_words_stand_beside_a_broken_interface(
    tmp_path: Path, new: str, flags: tuple[str, ...], words: str
) -> None:
    tool("abidiff", "abigail-tools")
    found = binary.examine(library_update(tmp_path, POINT, new, *flags), BinarySettings())
    concern = broken(found)
    assert concern is not None
    assert words in [line.strip() for line in concern.details["abidiff"]]
    assert found.facts["abidiff"] == {"asked": 1}
    assert "its soname is the same" in concern.sentence


@pytest.mark.parametrize("flags", [(), ("-g",)])
def test_an_interface_that_stays_or_grows_breaks_nothing(tmp_path: Path, flags: tuple[str, ...]) -> None:
    tool("abidiff", "abigail-tools")
    more = POINT.replace("return p->x;", "return p->x + 1;") + "int added(void) { return 7; }\n"
    assert broken(binary.examine(library_update(tmp_path, POINT, more, *flags), BinarySettings())) is None


def test_without_abidiff_symbols_and_sizes_decide(tmp_path: Path) -> None:
    for new, what in ((SHORTER, "no longer has 1 function(s)"), (WIDER, "table (16 to 32 bytes)")):
        concern = broken(binary.examine(library_update(tmp_path, POINT, new), NO_TOOLS))
        assert concern is not None
        assert what in concern.sentence
    assert broken(binary.examine(library_update(tmp_path, POINT, GROWN), NO_TOOLS)) is None  # seen with debug data only


def test_an_abidiff_that_does_not_finish_is_a_concern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = library_update(tmp_path, POINT, SHORTER)
    monkeypatch.setattr(outside, "abi_difference", lambda *_a, **_k: outside.AbiVerdict(True, False, False, False, ""))
    found = binary.examine(subject, BinarySettings())
    assert {Kind.NOT_EXAMINED, Kind.ABI_BREAK} <= {one.kind for one in found.concerns}
    assert found.facts["abidiff"] == {"did not finish": 1}


def test_abidiff_under_its_limits_ends_and_says_so(tmp_path: Path) -> None:
    tool("abidiff", "abigail-tools")
    (tmp_path / "bad.so").write_bytes(b"no library")
    assert not outside.abi_difference(tmp_path / "bad.so", tmp_path / "bad.so").finished
    result = outside.run(["abidiff", "--version"], memory_bytes=1 << 20)
    assert result.status not in ("0", "absent")  # no megabyte is enough for it: the limit holds


BODY = b"Suture-planted-signature-body"  # ours: what ClamAV's own signatures know is nobody's test


def signatures(folder: Path) -> Path:
    tool("clamscan", "clamav")
    folder.mkdir()
    (folder / "own.ndb").write_text(f"Suture.Test.Planted:0:*:{BODY.hex()}\n", "ascii")
    return folder


def nested(content: bytes) -> bytes:
    """A tar.gz in a zip."""
    inner, outer = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        member = tarfile.TarInfo("payload")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    with zipfile.ZipFile(outer, "w") as archive_:
        archive_.writestr("inner.tgz", inner.getvalue())
    return outer.getvalue()


PLACE = "usr/share/doc/portal/examples.zip"


def test_clamav_finds_a_signature_deep_in_a_package_and_says_where(tmp_path: Path) -> None:
    settings = BinarySettings(signatures=signatures(tmp_path / "signatures"))
    old, new = ({PLACE: nested(content), "usr/bin/x": b"#!/bin/sh\n"} for content in (b"harmless", b"x" + BODY))
    found = binary.examine(planted.update(tmp_path, old, new), settings)
    (concern,) = [one for one in found.concerns if one.kind == Kind.MALWARE_FOUND]
    assert concern.subject == PLACE
    assert concern.details["signature"].startswith("Suture.Test.Planted")
    told = found.facts["clamav"]
    assert (told["present"], told["scanner"], told["finished"], told["files"]) == (True, "clamscan", True, 3)
    assert told["version"].startswith("ClamAV ")
    assert datetime.fromisoformat(told["signatures_at"]) <= datetime.now(UTC)

    known = binary.examine(planted.update(tmp_path, new, new | {"usr/bin/x": b"#!/bin/sh\n:\n"}), settings)
    assert Kind.MALWARE_FOUND not in {one.kind for one in known.concerns}  # the older package had it


def test_clamav_looks_at_maintainer_scripts(tmp_path: Path) -> None:
    place = signatures(tmp_path / "signatures")
    package = planted.package(tmp_path, "1.0-1", {}, {"postinst": f"#!/bin/sh\n# {BODY.decode()}\n"})
    ((where, _signature),) = malware.scan(package.path, signatures=place).found
    assert where == "DEBIAN/postinst"


def test_clamav_without_signatures_is_told_as_absent(tmp_path: Path) -> None:
    tool("clamscan", "clamav")
    scan = malware.scan(planted.package(tmp_path, "1", {}).path, signatures=tmp_path / "none")
    assert scan.told() == {"present": False, "why": f"ClamAV has no signatures in {tmp_path / 'none'}"}


def test_what_clamav_would_call_clean_for_its_size_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = signatures(tmp_path / "signatures")
    monkeypatch.setattr(malware, "FILE_BYTES", 1 << 20)
    big = planted.package(tmp_path, "1", {"usr/share/big": bytes(2 << 20), "usr/share/small": BODY})
    scan = malware.scan(big.path, signatures=place)
    assert scan.told()["left_out"] == ["usr/share/big"]
    assert scan.found[0][0] == "usr/share/small"
    bomb = planted.package(tmp_path, "2", {"usr/share/bomb.gz": gzip.compress(bytes(8 << 20))})
    exceeded = malware.scan(bomb.path, signatures=place)
    assert (exceeded.finished, exceeded.found) == (False, ())
    assert "usr/share/bomb.gz exceeds its limits" in exceeded.why_not


def test_clamav_which_reads_every_file_has_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def scan(_path: Path, *, seconds: float, signatures: Path | None) -> malware.Scan:
        asked.append(seconds)
        return malware.Scan(None, why_not=str(signatures))

    monkeypatch.setattr(malware, "scan", scan)
    binary.examine(Subject(planted.package(tmp_path, "1", {})), BinarySettings(tool_seconds=7))
    assert asked == [35]


def test_a_scanner_that_fails_is_no_clean_scan(tmp_path: Path) -> None:
    place = signatures(tmp_path / "signatures")
    (place / "own.ndb").write_text("no signature at all\n", "ascii")
    scan = malware.scan(planted.package(tmp_path, "1", {"usr/share/x": BODY}).path, signatures=place)
    assert (scan.finished, scan.found) == (False, ())
    found = binary.examine(Subject(planted.package(tmp_path, "1", {"usr/share/x": BODY})), BinarySettings(signatures=place))
    assert Kind.NOT_EXAMINED in {one.kind for one in found.concerns}


def test_diffoscope_explains_what_somebody_must_decide_about_and_nothing_else(tmp_path: Path) -> None:
    tool("diffoscope", "diffoscope-minimal")
    settings = BinarySettings.load(PROJECT_ROOT / "include" / "policy")
    plain = Build().plus("usr/share/portal/rates", "one\ntwo\n")
    calls = plain.update().plus("usr/bin/portal", "#!/bin/sh\ncurl https://vendor.example/x\n", 0o755)
    old, new = cached(plain.into(tmp_path / "old")), cached(calls.into(tmp_path / "new"))
    told = binary.examine(Subject(new, old), settings).facts["diffoscope"]
    assert (told["present"], told["finished"]) == (True, True)
    lines = [line.strip(" │") for line in told["report"]]
    assert {"-echo 1", "+curl https://vendor.example/x"} <= set(lines)
    assert len(lines) <= 201
    assert str(tmp_path) not in "".join(lines)
    quiet = cached(plain.update().plus("usr/share/portal/rates", "one\n").into(tmp_path / "quiet"))
    assert "diffoscope" not in binary.examine(Subject(quiet, old), settings).facts


def cached(package: PackageFile) -> PackageFile:
    """As it lies in the intake's cache: named by its digest alone."""
    path = package.path.with_name(package.sha256)
    package.path.rename(path)
    return replace(package, path=path)


def test_diffoscope_is_not_asked_about_what_exhausts_its_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "detailed_difference", lambda *_a, **_k: pytest.fail("it was asked"))
    settings = BinarySettings.load(PROJECT_ROOT / "include" / "policy")
    bomb = {"usr/share/portal/bomb.gz": gzip.compress(bytes(300 << 20), 9)}
    found = binary.examine(planted.update(tmp_path, {}, bomb), settings)
    assert {one.kind for one in found.concerns} & {Kind.SUSPICIOUS_ARCHIVE, Kind.NOT_EXAMINED}
