"""The package that is built anew on a host, on real dpkg with a database of its own: what people did to conffiles outlives it."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import ansible.module_utils
import pytest

from suture.settings import PROJECT_ROOT

UTILS = PROJECT_ROOT / "include" / "playbooks" / "module_utils"
NEEDED = ("dpkg", "dpkg-deb", "dpkg-query")
pytestmark = pytest.mark.skipif(any(shutil.which(tool) is None for tool in NEEDED), reason=f"needs {', '.join(NEEDED)}")
PACKAGE = "suture-test-portal"
CONFFILES = ("kept.conf", "changed.conf", "edited.conf", "deleted.conf", "deleted-changed.conf", "deleted/inner.conf")
CHANGED = ("changed.conf", "deleted-changed.conf", "deleted/inner.conf")  # 1.1 brings another text


class Host:
    """dpkg's database, and a package whose files lie below a folder of this test; no rights are needed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.etc, self.admin = folder, folder / "root" / "etc", folder / "dpkg"
        for name in ("info", "updates", "triggers"):
            (self.admin / name).mkdir(parents=True)
        (self.admin / "status").touch()

    def build(self, version: str) -> Path:
        tree = self.folder / f"tree-{version}"
        for name in CONFFILES:
            path = tree / self.etc.relative_to("/") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{name} of {version if name in CHANGED else 'every version'}\n")
        control = tree / "DEBIAN"
        control.mkdir()
        (control / "conffiles").write_text("".join(f"{self.etc / name}\n" for name in CONFFILES))
        (control / "control").write_text(
            f"Package: {PACKAGE}\nVersion: {version}\nArchitecture: all\nMaintainer: Test <t@test.example>\nDescription: test\n"
        )
        target = self.folder / f"{version}.deb"
        subprocess.run(["dpkg-deb", "-Zgzip", "--build", str(tree), str(target)], check=True, capture_output=True)
        return target

    def install(self, package: Path | str) -> None:
        """As suture_packages has it: an edited conffile is kept, and nobody is asked."""
        forced = [f"--force-{what}" for what in ("not-root", "bad-path", "confdef", "confold", "downgrade")]
        done = subprocess.run(
            ["dpkg", f"--admindir={self.admin}", "--log=/dev/null", *forced, "-i", str(package)],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    def state(self) -> dict[str, str | None]:
        """Conffile → its text; None: it is not there."""
        paths = {name: self.etc / name for name in CONFFILES}
        return {name: path.read_text() if path.exists() else None for name, path in paths.items()}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    made = Host(tmp_path)
    monkeypatch.setenv("DPKG_ADMINDIR", str(made.admin))  # dpkg-query's own variable
    return made


@pytest.fixture
def repack(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module as Ansible brings it to a host."""
    monkeypatch.setattr(ansible.module_utils, "__path__", [*ansible.module_utils.__path__, str(UTILS)])
    yield importlib.import_module("ansible.module_utils.suture_repack")
    for name in [name for name in sys.modules if name.startswith("ansible.module_utils.suture_")]:
        del sys.modules[name]


def test_what_people_did_to_conffiles_outlives_the_way_back_and_the_next_update(host: Host, repack: ModuleType) -> None:
    old, new = host.build("1.0"), host.build("1.1")
    host.install(old)
    (host.etc / "edited.conf").write_text("by hand\n")
    for name in ("deleted.conf", "deleted-changed.conf"):
        (host.etc / name).unlink()
    shutil.rmtree(host.etc / "deleted")
    by_hand = {"edited.conf": "by hand\n", "deleted.conf": None, "deleted-changed.conf": None, "deleted/inner.conf": None}
    untouched = {"kept.conf": "kept.conf of every version\n"}
    built = repack.repack(PACKAGE, str(host.folder))
    listed = subprocess.run(["dpkg-deb", "-c", built], check=True, capture_output=True, text=True).stdout
    assert "edited.conf" not in listed

    for package, version in ((new, "1.1"), (built, "1.0"), (new, "1.1"), (built, "1.0"), (new, "1.1")):
        host.install(package)
        assert host.state() == {**by_hand, **untouched, "changed.conf": f"changed.conf of {version}\n"}, package

    again = Path(repack.repack(PACKAGE, str(host.folder)))  # of 1.1, after all that
    assert again.name == f"{PACKAGE}_1.1_all.deb"
    host.install(again)
    assert host.state() == {**by_hand, **untouched, "changed.conf": "changed.conf of 1.1\n"}


def test_who_wants_a_deleted_conffile_back_gets_the_packages_own_from_the_next_version(
    host: Host, repack: ModuleType
) -> None:
    """The stand-in says what it is, and is nobody's configuration: dpkg puts it beside, never in place."""
    old, new = host.build("1.0"), host.build("1.1")
    host.install(old)
    (host.etc / "deleted.conf").unlink()
    host.install(repack.repack(PACKAGE, str(host.folder)))
    beside = [path.read_text() for path in host.etc.rglob("*.dpkg-dist")]
    assert len(beside) == 1
    assert "deleted on this host" in beside[0]
    host.install(new)
    assert (host.etc / "deleted.conf.dpkg-dist").read_text() == "deleted.conf of every version\n"
