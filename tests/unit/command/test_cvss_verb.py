"""`suture cvss`: the line of each vector, the status, and files that strangers wrote."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from suture.command.main import main
from suture.command.verbs import cvss as cvss_verb
from suture.settings import PROJECT_ROOT

GOOD = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
LINE = f"{GOOD}\t3.1\t9.8\t9.8\tCritical"


def batch(tmp_path: Path, content: bytes, *options: str) -> int:
    (tmp_path / "vectors").write_bytes(content)
    return main(["cvss", "--batch", str(tmp_path / "vectors"), *options])


def test_each_version_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    vectors = [
        "AV:N/AC:L/Au:N/C:N/I:N/A:C",
        "CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N",
        "CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:H/I:N/A:N",
        "CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H/E:P",
    ]
    assert main(["cvss", *vectors]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{vectors[0]}\t2.0\t7.8\t7.8\tHigh",
        f"{vectors[1]}\t3.0\t6.1\t6.1\tMedium",
        f"{vectors[2]}\t3.1\t5.3\t5.3\tMedium",
        f"{vectors[3]}\t4.0\t7.3\t5.9\tMedium",
    ]
    assert main(["cvss", vectors[2], "--criticality", "critical"]) == 0
    assert capsys.readouterr().out == f"{vectors[2]}\t3.1\t5.3\t7.1\tHigh\n"


@pytest.mark.parametrize(
    ("content", "lines", "status"),
    [
        (f"{GOOD}\n{GOOD}\n", [LINE, LINE], 0),
        (f"{GOOD}\r\n{GOOD}\r\n", [LINE, LINE], 0),
        (f"\ufeff{GOOD}\n", [LINE], 0),
        (GOOD, [LINE], 0),
        ("", [], 0),
        (f"{GOOD}\n\n{GOOD}\n", [LINE, "\terror\tit is empty", LINE], 2),
        (f"{GOOD}\rx\n", [f"{GOOD}�x\terror\tit has characters that no vector has"], 2),
        (f" {GOOD}\n", [f" {GOOD}\terror\tit has characters that no vector has"], 2),
        (f"{GOOD}\t9.8\n", [f"{GOOD}�9.8\terror\tit has characters that no vector has"], 2),
        (f"{GOOD}/AV:N\n", [f'{GOOD}/AV:N\terror\tDuplicate metric "AV"'], 2),
        ("CVSS:3.1/" + "/".join(reversed(GOOD.split("/")[1:])) + "\n",
         ["CVSS:3.1/A:H/I:H/C:H/S:U/UI:N/PR:N/AC:L/AV:N\t3.1\t9.8\t9.8\tCritical"], 0),
        ("CVSS:5.0/AV:N\n", ["CVSS:5.0/AV:N\terror\tthere is no CVSS version '5.0'"], 2),
        ("x\x00y\x1b[2J\n", ["x�y�[2J\terror\tit has characters that no vector has"], 2),
        ("{{ 7*7 }}'; DROP TABLE cve;--\n",
         ["{{ 7*7 }}'; DROP TABLE cve;--\terror\tit has characters that no vector has"], 2),
        (f"<script>alert(1)</script>\n{GOOD}\n",
         ["<script>alert(1)</script>\terror\tit has characters that no vector has", LINE], 2),
    ],
)  # fmt: skip
def test_lines_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, lines: list[str], status: int
) -> None:
    assert batch(tmp_path, content.encode()) == status
    assert capsys.readouterr().out.splitlines() == lines


def test_bad_utf_8_spoils_its_own_line_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch(tmp_path, GOOD.encode() + b"\n\xff\xfe\n" + GOOD.encode()) == 2
    assert capsys.readouterr().out.splitlines() == [LINE, "��\terror\tit has characters that no vector has", LINE]


@pytest.mark.parametrize("size", [401, 4096, 4097, 3 << 20])
def test_an_endless_line_is_cut_short_and_the_next_one_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    assert batch(tmp_path, GOOD.encode() + b"\n" + b"A" * size + b"\n" + GOOD.encode() + b"\n") == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines == [LINE, f"{'A' * 400}\terror\tit has more than 400 characters", LINE]


def test_lines_across_blocks_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cvss_verb, "_BLOCK_BYTES", 7)
    monkeypatch.setattr(cvss_verb, "_MAX_LINE_BYTES", 20)
    content = b"one\ntwo-two-two\n\n" + b"x" * 50 + b"\nlast\r\n" + b"y" * 21
    found = [line for block in cvss_verb._blocks(io.BytesIO(content)) for line in block]
    assert found == ["one", "two-two-two", "", "x" * 20, "last", "y" * 20]


def test_the_memo_is_bounded_and_forgets_no_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cvss_verb, "_MEMO_LINES", 2)
    content = "\n".join([GOOD, "bad", "worse", GOOD, "bad"])
    assert batch(tmp_path, content.encode()) == 2
    assert [line.split("\t")[1] for line in capsys.readouterr().out.splitlines()] == [
        "3.1",
        "error",
        "error",
        "3.1",
        "error",
    ]


def test_json_has_an_object_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert batch(tmp_path, f'{GOOD}\n"\x07\n'.encode(), "--json") == 2
    good, bad = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert good == {
        "vector": GOOD, "version": "3.1", "base_score": 9.8, "overall_score": 9.8, "severity": "Critical",
    }  # fmt: skip
    assert bad == {"vector": '"\x07', "error": "it has characters that no vector has"}


@pytest.mark.parametrize(
    "arguments", [[], [GOOD, "--batch", "x"], ["--batch", "/nonexistent/vectors"], ["--batch", "/"]]
)
def test_no_input_or_two_is_misuse(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cvss", *arguments]) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.startswith("cvss: ")) == ("", True)


def test_standard_input_and_a_reader_that_leaves() -> None:
    command = [sys.executable, "-m", "suture.command.main", "cvss", "--batch", "-"]
    environment = {"PYTHONPATH": str(PROJECT_ROOT / "include"), "PATH": "/usr/bin:/bin"}
    whole = subprocess.run(command, input=f"{GOOD}\n".encode(), capture_output=True, env=environment, check=False)
    assert (whole.returncode, whole.stdout.decode(), whole.stderr) == (0, LINE + "\n", b"")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdout.close()
        try:
            process.stdin.write(f"{GOOD}\n".encode() * 40_000)
            process.stdin.close()
        except BrokenPipeError:
            pass
        assert b"Traceback" not in process.stderr.read()
