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
     ["strategy", "simulate", "--history", "/dev/zero"], ["judge", "--file", "/dev/zero"]],
)  # fmt: skip
def test_a_device_without_an_end_is_refused_by_name(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "/dev/zero" in said
    assert "bytes" in said
