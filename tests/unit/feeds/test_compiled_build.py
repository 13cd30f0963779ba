"""The module that is kept here is what the compiler makes of its source: the same bytes, or at least rows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from suture.feeds import compiled_reading
from suture.feeds.compiled_reading import Found
from tests.unit.feeds.both_ways import REAL, SAMPLE, TEXT, new_reader, odd_records

SCRIPT = compiled_reading.WASM.with_name("build.sh")
KEPT_BY = "1.63.0"  # Debian 12's
RUSTC = os.environ.get("RUSTC", "/usr/bin/rustc")
PACKAGES = "needs Debian's packages rustc, libstd-rust-dev-wasm32 and lld"


def missing(why: str) -> None:
    """Skip loudly, or fail where all that can be tested is tested."""
    if os.environ.get("CI"):
        pytest.fail(f"{PACKAGES}: {why}")
    pytest.skip(f"{PACKAGES}: {why}")


@pytest.fixture(scope="module")
def version() -> str:
    for tool in (RUSTC, "wasm-ld"):
        if shutil.which(tool) is None:
            missing(f"{tool} is not there")
    has_target = subprocess.run([RUSTC, "--print", "target-libdir", "--target", "wasm32-unknown-unknown"],
                                capture_output=True, text=True, check=False, timeout=60)  # fmt: skip
    if has_target.returncode or not Path(has_target.stdout.strip()).is_dir():
        missing("rustc has no standard library for wasm32-unknown-unknown")
    said = subprocess.run([RUSTC, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    found = re.match(r"rustc (\S+)", said)
    assert found is not None, said
    return found[1]


@pytest.fixture(scope="module")
def built(version: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("built") / "reader.wasm"
    subprocess.run(["/bin/sh", str(SCRIPT), str(output)], check=True, timeout=500)
    return output


def test_the_module_that_is_kept_is_built_from_its_source(version: str, built: Path) -> None:
    if version != KEPT_BY:
        pytest.skip(f"the bytes are those of Debian 12's rustc {KEPT_BY}; here is {version}: only rows are compared")
    assert built.read_bytes() == compiled_reading.WASM.read_bytes()


def test_a_module_that_is_built_here_gives_the_rows_of_the_one_that_is_kept(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raws = [*REAL, SAMPLE, TEXT.encode(), *odd_records(200)]
    records = [(bytes([number % 256]) * 32, raw) for number, raw in enumerate(raws)]

    def read() -> Found:
        compiled_reading._module.cache_clear()
        found = new_reader(4711).read(records)
        assert found is not None
        assert sum(found.taken) > 250
        return found

    kept = read()
    monkeypatch.setattr(compiled_reading, "WASM", built)
    fresh = read()
    compiled_reading._module.cache_clear()
    assert fresh == kept


def test_a_module_asks_for_nothing_of_its_surroundings() -> None:
    assert compiled_reading.prepare()
    found = compiled_reading._module()
    assert found is not None
    assert list(found[1].imports) == []
    assert {export.name for export in found[1].exports} >= {"memory", "room", "configure", "read"}
