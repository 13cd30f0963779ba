"""What a host finds of other ecosystems: real trees made by pip and rpmbuild, jars, node_modules; and hostile ones."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from suture.settings import PROJECT_ROOT

PROGRAM = PROJECT_ROOT / "include" / "playbooks" / "module_utils" / "suture_component_files.py"
ALL = ["rpm", "pypi", "npm", "maven"]
POM = "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("suture_component_files_under_test", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "RPM_DATABASES", ())
    return module


def search(files: ModuleType, root: Path, ecosystems: list[str] | None = None, **bounds: Any) -> dict[str, Any]:
    found: dict[str, Any] = files.Search(ecosystems or ALL, files.Bounds(**bounds)).run([str(root)])
    json.dumps(found).encode("utf-8")  # it must reach the control machine
    return found


def named(found: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(one["ecosystem"], one["name"], one["version"]) for one in found["components"]}


def put(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def jar(entries: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return raw.getvalue()


def pom(version: str, artifact: str = "log4j-core") -> bytes:
    return f"#Generated\nversion={version}\ngroupId=org.apache.logging.log4j\nartifactId={artifact}\n".encode()


def node(folder: Path, name: str, version: str) -> None:
    put(folder / "package.json", json.dumps({"name": name, "version": version, "scripts": {"install": "touch /pwned"}}))


def test_a_wheel_that_pip_installed_is_found_with_its_place(files: ModuleType, tmp_path: Path) -> None:
    project = tmp_path / "project"
    put(project / "pyproject.toml", '[project]\nname = "Demo.Portal"\nversion = "1.4.2"\n[build-system]\nrequires = []\n'
        'build-backend = "backend"\nbackend-path = ["."]\n')  # fmt: skip
    put(project / "backend.py", """
import zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "demo_portal-1.4.2-py3-none-any.whl"
    with zipfile.ZipFile(folder + "/" + name, "w") as wheel:
        wheel.writestr("demo_portal.py", "")
        wheel.writestr("demo_portal-1.4.2.dist-info/METADATA", "Metadata-Version: 2.1\\nName: Demo.Portal\\nVersion: 1.4.2\\n")
        wheel.writestr("demo_portal-1.4.2.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("demo_portal-1.4.2.dist-info/RECORD", "")
    return name
""")
    site = tmp_path / "opt" / "portal" / "venv" / "lib" / "python3.11" / "site-packages"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-build-isolation", "--target", site]
    done = subprocess.run([*map(str, pip), str(project)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = search(files, tmp_path / "opt")
    assert found["components"] == [
        {"ecosystem": "pypi", "name": "Demo.Portal", "version": "1.4.2", "source": None, "location": str(site)}
    ]
    assert found["complete"]


def test_modules_of_node_are_found_at_every_depth_and_their_parts_are_not(files: ModuleType, tmp_path: Path) -> None:
    modules = tmp_path / "app" / "node_modules"
    node(modules / "lodash", "lodash", "4.17.20")
    node(modules / "@types" / "node", "@types/node", "20.1.0")
    node(modules / "express" / "node_modules" / "lodash", "lodash", "4.17.21")
    node(modules / "lodash" / "fp", "lodash-fp-part", "9.9.9")  # no module of its own
    node(tmp_path / "app", "my-app", "0.0.1")  # the application itself is not installed
    put(modules / "esm" / "package.json", '{"type": "module"}')
    found = search(files, tmp_path)
    assert named(found) == {
        ("npm", "lodash", "4.17.20"), ("npm", "@types/node", "20.1.0"), ("npm", "lodash", "4.17.21"),
    }  # fmt: skip
    assert {one["location"] for one in found["components"] if one["version"] == "4.17.21"} == {
        str(modules / "express" / "node_modules" / "lodash")
    }
    assert not Path("/pwned").exists()


def test_archives_in_archives_name_what_lies_in_them(files: ModuleType, tmp_path: Path) -> None:
    inner = jar({POM: pom("2.14.1")})
    own = pom("2.17.1", "log4j-api")
    put(tmp_path / "shop.war", jar({"WEB-INF/lib/log4j-core.jar": inner, POM.replace("log4j-core", "log4j-api"): own}))
    found = search(files, tmp_path)
    assert {(one["name"], one["version"], one["location"]) for one in found["components"]} == {
        ("org.apache.logging.log4j:log4j-core", "2.14.1", f"{tmp_path}/shop.war!/WEB-INF/lib/log4j-core.jar"),
        ("org.apache.logging.log4j:log4j-api", "2.17.1", f"{tmp_path}/shop.war"),
    }


def test_a_database_of_rpm_is_read_by_rpm_itself(files: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not (shutil.which("rpmbuild") and os.path.exists(files.RPM)):
        pytest.skip("rpmbuild is not installed here")
    spec = put(tmp_path / "demo.spec", "Name: demo-libs\nVersion: 1.2\nRelease: 3\nEpoch: 2\nSummary: demo\nLicense: MIT\n"
        "BuildArch: noarch\n%description\ndemo\n%install\nmkdir -p %{buildroot}/opt/demo\n"
        "echo x > %{buildroot}/opt/demo/own.jar\n%files\n/opt/demo/own.jar\n")  # fmt: skip
    macros = ["--define", f"_topdir {tmp_path}/build", "--define", "_build_id_links none"]
    subprocess.run(["rpmbuild", "-bb", *macros, str(spec)], check=True, capture_output=True, timeout=120)
    (package,) = (tmp_path / "build").rglob("*.rpm")
    database = tmp_path / "rpm"
    database.mkdir()
    own = ["rpm", "--dbpath", str(database)]
    subprocess.run([*own, "--initdb"], check=True, capture_output=True, timeout=60)
    subprocess.run(
        [*own, "-i", "--justdb", "--nodeps", "--force-debian", str(package)], check=True, capture_output=True, timeout=60
    )
    monkeypatch.setattr(files, "RPM_DATABASES", (str(database),))
    found = search(files, tmp_path / "nowhere")
    assert [(one["name"], one["version"], one["source"]) for one in found["components"]] == [
        ("demo-libs", "2:1.2-3", "demo-libs-1.2-3.src.rpm")
    ]
    assert "/opt/demo/own.jar" in files.owned_files(str(tmp_path))  # it is rpm's, not Maven's


def test_what_dpkg_installed_is_left_to_dpkg(files: ModuleType, tmp_path: Path) -> None:
    ours = put(tmp_path / "a" / "ours.dist-info" / "METADATA", "Name: ours\nVersion: 1\n")
    theirs = put(tmp_path / "a" / "theirs.dist-info" / "METADATA", "Name: theirs\nVersion: 1\n")
    put(tmp_path / "info" / "python3-theirs.list", f"/.\n{theirs}\n/usr/bin/other\n")
    found = files.Search(ALL, files.Bounds())
    real = files.owned_files
    files.owned_files = lambda: real(str(tmp_path / "info"))
    assert [one["name"] for one in found.run([str(tmp_path / "a")])["components"]] == ["ours"]
    assert ours.exists()


def test_links_pipes_and_devices_are_not_opened(files: ModuleType, tmp_path: Path) -> None:
    node(tmp_path / "elsewhere" / "node_modules" / "a", "a", "1.0.0")
    root = tmp_path / "root"
    (root / "node_modules" / "b").mkdir(parents=True)
    os.symlink(tmp_path / "elsewhere", root / "link")
    os.symlink("/", root / "all")
    os.symlink(tmp_path / "elsewhere" / "node_modules" / "a" / "package.json", root / "node_modules" / "b" / "package.json")
    os.mkfifo(root / "wait.jar")
    found = search(files, root, max_seconds=10)
    assert found["components"] == []
    assert found["complete"]
    assert any("no ordinary file" in fault for fault in found["faults"])


HOSTILE = {
    "no zip": b"PK\x03\x04 and nothing more",
    "a bomb": jar({POM: b"version=1\n" + b"\0" * 50_000_000}),
    "a nested bomb": jar({"lib/inner.jar": jar({"filler": b"\0" * 30_000_000}) + b"\0" * 30_000_000}),
    "encrypted": jar({POM: pom("1")}).replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00\x01\x00")
    .replace(b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"),
    "an odd method": jar({POM: pom("1")}).replace(b"\x08\x00", b"\x63\x00"),
    "no version": jar({POM: b"groupId=a\nartifactId=b\n"}),
    "control characters": jar({POM: b"groupId=a\nartifactId=b\x1b[2J\nversion=1\n"}),
    "a long version": jar({POM: b"groupId=a\nartifactId=b\nversion=" + b"1" * 10_000}),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_archive_is_counted_and_hides_no_other(files: ModuleType, tmp_path: Path, name: str) -> None:
    put(tmp_path / "a.jar", HOSTILE[name])
    put(tmp_path / "b.jar", jar({POM: pom("2.17.1")}))
    found = search(files, tmp_path)
    assert named(found) == {("maven", "org.apache.logging.log4j:log4j-core", "2.17.1")}
    assert found["unreadable"] >= 1
    assert "a.jar" in found["faults"][0]
    assert "\x1b" not in json.dumps(found["components"])


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"[" * 200_000, b'{"name": "a", "version": 7}', b'{"name": "a\\u0000", "version": "1"}', b"\xff\xfe",
        b'{"name": "' + b"x" * 3_000_000 + b'", "version": "1"}', b'{"name": "caf\xc3\xa9", "version": "1"}',
    ],
    ids=["cut", "deep", "number", "nul", "no text", "large", "not ASCII"],
)  # fmt: skip
def test_bad_metadata_is_counted_and_hides_no_other(files: ModuleType, tmp_path: Path, content: bytes) -> None:
    put(tmp_path / "node_modules" / "a" / "package.json", content)
    node(tmp_path / "node_modules" / "b", "b", "1.0.0")
    found = search(files, tmp_path)
    assert named(found) == {("npm", "b", "1.0.0")}
    assert found["unreadable"] == 1


def test_a_name_that_is_no_text_does_not_break_the_report(files: ModuleType, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xfe{{ 7*7 }}/node_modules/a"
    os.makedirs(folder)
    with open(folder + b"/package.json", "wb") as file:
        file.write(b'{"name": "a", "version": "1.0.0"}')
    found = search(files, tmp_path)
    assert named(found) == {("npm", "a", "1.0.0")}
    assert "{{ 7*7 }}" in found["components"][0]["location"]  # data, and not 49


def test_every_bound_is_said_and_makes_the_list_incomplete(files: ModuleType, tmp_path: Path) -> None:
    for number in range(30):
        node(tmp_path / "node_modules" / f"m{number}", f"m{number}", "1.0.0")
    node(tmp_path / "a" / "b" / "c" / "node_modules" / "deep", "deep", "1.0.0")
    whole = search(files, tmp_path)
    assert (len(whole["components"]), whole["complete"], whole["limits"]) == (31, True, [])
    for bounds, said in (
        ({"max_components": 10}, "more than 10 components"),
        ({"max_entries": 20}, "more than 20 files and folders"),
        ({"max_depth": 3}, "folders deeper than 3"),
        ({"max_seconds": 0.0}, "more than 0 seconds"),
    ):
        cut = search(files, tmp_path, **bounds)
        assert not cut["complete"], bounds
        assert any(said in limit for limit in cut["limits"]), (bounds, cut["limits"])
        assert len(cut["components"]) < 31


def test_only_what_is_asked_for_is_looked_for(files: ModuleType, tmp_path: Path) -> None:
    node(tmp_path / "node_modules" / "a", "a", "1.0.0")
    put(tmp_path / "x.jar", jar({POM: pom("2.14.1")}))
    assert named(search(files, tmp_path, ["maven"])) == {("maven", "org.apache.logging.log4j:log4j-core", "2.14.1")}
