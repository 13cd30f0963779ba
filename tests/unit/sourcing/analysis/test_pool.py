"""The pool: answers in order, and a worker that dies, hangs, or eats memory is a concern and never a pass."""

from __future__ import annotations

import gzip
import lzma
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import zstandard

from suture.command.processes import start_ticks, wait_until
from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT
from suture.sourcing.analysis import binary, examiners
from suture.sourcing.analysis.binary_kinds import Kind
from suture.sourcing.analysis.pool import examine_all
from suture.sourcing.analysis.unreadable import MIB
from suture.sourcing.attestations import fitting
from suture.sourcing.examination import Action, Examination, Subject, load_policy
from tests.unit.sourcing.analysis import dying, package, planted

ACTIONS = load_policy(PROJECT_ROOT / "include" / "policy").actions


def subjects(folder: Path, *versions: str) -> list[Subject]:
    return [Subject(new=planted.package(folder, version, {"usr/bin/x": b"#!/bin/sh\n"})) for version in versions]


def reasons(examinations: list[Examination]) -> list[str]:
    return [c.details["reason"] for e in examinations for c in e.concerns if c.kind == "not_examined"]


def test_answers_come_in_the_order_of_the_subjects(tmp_path: Path) -> None:
    asked = subjects(tmp_path, "1", "2", "3")
    found = examine_all(asked, [binary.examine, dying.fine])
    assert [(e.version, e.examiner) for e in found] == [(v, e) for v in "123" for e in ("binary", "dying")]
    assert all("not_examined" not in {c.kind for c in e.concerns} for e in found)
    assert found[0].concerns == binary.examine(asked[0]).concerns


@pytest.mark.parametrize(
    ("examiner", "reason"),
    [
        (dying.aborts, "signal 6"),
        (dying.leaves, "ended with 3"),
        (dying.raises, "KeyError"),
        (dying.babbles, "no JSON"),
    ],
)
def test_a_dead_worker_is_a_concern_and_the_next_package_is_examined(
    tmp_path: Path, examiner: dying.Any, reason: str
) -> None:
    found = examine_all(subjects(tmp_path, "1", dying.CURSED, "3"), [examiner, dying.fine], workers=1)
    assert len(found) == 6
    (first, *_) = reasons(found)
    assert reason in first
    assert {e.version for e in found if e.concerns} == {dying.CURSED}


@pytest.mark.parametrize("examiner", ["notes", "binary", "sbom", "provenance"])
def test_policy_refuses_what_no_worker_could_examine(examiner: str) -> None:
    assert ACTIONS.of(examiner, Kind.NOT_EXAMINED.value) is Action.REFUSE


def test_one_that_hangs_is_ended(tmp_path: Path) -> None:
    (cursed, fine) = examine_all(subjects(tmp_path, dying.CURSED, "3"), [dying.hangs], workers=1, seconds=15)
    assert reasons([cursed]) == ["it took more than 15 seconds"]
    assert set(reasons([fine])) <= {"it took more than 15 seconds"}  # for a busy machine starts no worker sooner


def test_one_that_eats_memory_is_ended(tmp_path: Path) -> None:
    found = examine_all(subjects(tmp_path, dying.CURSED, "3"), [dying.eats], workers=1, memory_bytes=512 * 1024 * 1024)
    assert reasons(found) == ["it needs more memory than an examination may have"]


def test_no_worker_stays_and_none_gets_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUTURE_WAREHOUSE_URL", "postgresql://u:secret@127.0.0.1/x")
    (found,) = examine_all(subjects(tmp_path, "1"), [dying.tells])
    assert "SUTURE_WAREHOUSE_URL" not in found.facts["environment"]
    with pytest.raises(ProcessLookupError):
        os.kill(found.facts["pid"], 0)


def test_a_pool_that_is_killed_leaves_no_worker(tmp_path: Path) -> None:
    asked = planted.package(tmp_path, dying.CURSED, {"usr/bin/x": b"#!/bin/sh\n"})
    code = f"""
from pathlib import Path
from suture.sourcing.analysis import pool
from suture.sourcing.examination import PackageFile, Subject
from tests.unit.sourcing.analysis import dying
pool.examine_all([Subject(new=PackageFile(Path({str(asked.path)!r}), "portal", dying.CURSED, "amd64", ""))], [dying.hangs])
"""
    environment = os.environ | {"PYTHONPATH": f"{PROJECT_ROOT / 'include'}:{PROJECT_ROOT}"}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as pool:
        # It examines: by then it has asked the kernel to end with its parent.
        assert wait_until(lambda: dying.hanging(asked.path).exists() or pool.poll() is not None, timeout_s=120)
        (worker,) = psutil.Process(pool.pid).children()
        pool.kill()
    # A zombie has ended: whether it is waited for is its new parent's business, which may be a sub-reaper that never does.
    assert wait_until(lambda: start_ticks(worker.pid) is None, timeout_s=60)


def test_it_works_where_the_main_module_cannot_be_imported(tmp_path: Path) -> None:
    """As in a task of Airflow, whose main module is its own runner."""
    asked = planted.package(tmp_path, "1", {"usr/bin/x": b"#!/bin/sh\n"})
    code = f"""
from pathlib import Path
from suture.sourcing.analysis import binary, pool
from suture.sourcing.examination import PackageFile, Subject
(found,) = pool.examine_all([Subject(new=PackageFile(Path({str(asked.path)!r}), "portal", "1", "amd64", ""))], [binary.examine])
print([c.kind for c in found.concerns])
"""
    environment = os.environ | {"PYTHONPATH": str(PROJECT_ROOT / "include")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.stdout == "['no_predecessor']\n", done.stderr


def test_an_examiner_that_no_worker_can_import_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError):
        examine_all(subjects(tmp_path, "1"), [lambda subject: binary.examine(subject)])
    assert examine_all([], [binary.examine]) == []


@pytest.mark.parametrize("kind", ["gz", "xz", "lzma with a dictionary of a gigabyte", "zst", "nested"])
def test_a_bomb_ends_in_its_worker_and_the_next_package_is_examined(tmp_path: Path, kind: str) -> None:
    """Small packages that would fill a disk or a memory. All three examiners that look inside do so, in a worker of 512 MiB."""
    zeros = package.tar([(package.info("./usr/share/zeros"), bytes(300 * MIB))])
    match kind:
        case "gz":
            data, suffix = gzip.compress(zeros, 9), ".gz"
        case "xz":
            data, suffix = lzma.compress(zeros, preset=0), ".xz"
        case "zst":
            data, suffix = zstandard.ZstdCompressor(level=1).compress(zeros), ".zst"
        case "nested":  # what unpacks 1,000 to 1 in each of three steps
            inner = gzip.compress(gzip.compress(gzip.compress(bytes(300 * MIB), 9), 9), 9)
            data, suffix = package.tar([(package.info("./usr/share/doc/portal/x.gz.gz.gz"), inner)]), ""
        case _:
            header = bytearray(lzma.compress(b"", format=lzma.FORMAT_ALONE))
            header[1:5] = (1 << 30).to_bytes(4, "little")
            data, suffix = bytes(header), ".lzma"
    path = tmp_path / "portal_2.0_amd64.deb"
    path.write_bytes(package.deb(data, suffix=suffix))
    assert path.stat().st_size < 2 * MIB
    (bomb,) = subjects(tmp_path, "2.0")
    path.write_bytes(package.deb(data, suffix=suffix))
    (fine,) = subjects(tmp_path, "2.1")
    policy = load_policy(PROJECT_ROOT / "include" / "policy")
    asked = list(fitting(examiners(policy), None, "").values())
    found = examine_all([bomb, fine], asked, workers=1, memory_bytes=512 * MIB, seconds=120)
    actions = {e.examiner: ACTIONS.sternest([e]) for e in found if e.version == "2.0"}
    assert actions["binary"] is Action.REFUSE
    assert kind == "nested" or actions == dict.fromkeys(("notes", "binary", "sbom"), Action.REFUSE)
    assert not {c.kind for e in found if e.version == "2.1" for c in e.concerns} & {"not_examined", "unreadable_package"}
