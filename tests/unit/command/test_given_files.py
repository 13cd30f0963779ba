"""Files that a user names are read no further than their limit, whatever they say of their size."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from suture.command.given_files import read_given, text_given
from suture.command.main import main
from suture.errors import BadInputError


def test_a_file_and_standard_input_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    assert read_given(tmp_path / "a", most=4) == b"1234"
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("zwölf".encode())))
    assert text_given("-", most=10) == "zwölf"


def test_what_is_longer_is_no_text_or_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "b").write_bytes(b"1\xff")
    for name, why in (("a", "a has more than the 4 bytes"), ("b", "b cannot be read: it is not UTF-8"), ("c", "c cannot be read")):
        with pytest.raises(BadInputError, match=why):
            text_given(tmp_path / name, most=4)


@pytest.mark.parametrize(
    "words",
    [["score", "--record", "/dev/zero"], ["capacity", "plan", "--file", "/dev/zero"],
     ["strategy", "simulate", "--history", "/dev/zero"], ["judge", "--file", "/dev/zero"],
     ["case", "describe", "CASE-1", "/dev/zero"]],
)  # fmt: skip
def test_a_device_without_an_end_is_refused_by_name(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "/dev/zero" in said
    assert "bytes" in said


def test_a_cases_text_that_is_too_long_is_refused_with_its_limit_and_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("title\n" + "x" * 65_536, "utf-8")
    assert main(["case", "describe", "CASE-1", str(tmp_path / "text")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'text'} has more than the 65536 bytes that are read." in said
    assert "A title has at most 200 characters, a summary 4000: shorten the text." in said


def test_a_line_without_an_end_is_refused_by_its_number_and_the_lines_before_it_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "1\t2\n" + "x" * 65_536 + "\n" + "2\t" + "1" * 65_535
    (tmp_path / "pairs").write_text(text, "utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    for name in (str(tmp_path / "pairs"), "-"):
        assert main(["vercmp", "deb", "--batch", name]) == 2
        out, err = capsys.readouterr()
        assert out.split() == ["<", "error"]  # the second is just as long as a line may be, and no pair
        assert f"{name}, line 3: it has more than the 65536 characters that are read of a line." in err
        assert "One pair of versions a line, with a tab between them." in err


def test_a_batch_that_is_a_device_without_an_end_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vercmp", "deb", "--batch", "/dev/zero"]) == 2
    assert "/dev/zero, line 1: it has more than the 65536 characters" in capsys.readouterr().err
