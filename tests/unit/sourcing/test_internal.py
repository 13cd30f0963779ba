"""The internal repository, made by real aptly and gpg; apt itself is asked whether it takes it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.cache import CachedFile
from suture.sourcing.internal import VALIDITY, InternalRepository, InternalRepositoryError
from suture.sourcing.packages import BinaryPackage
from tests.faults.repository.builder import Deb

pytestmark = pytest.mark.skipif(shutil.which("aptly") is None, reason="needs aptly")
NOW = datetime.now(UTC).replace(microsecond=0)


def cached(folder: Path, deb: Deb) -> CachedFile:
    data = deb.build()
    digest = hashlib.sha256(data).hexdigest()
    path = folder / digest
    folder.mkdir(exist_ok=True)
    path.write_bytes(data)
    source = deb.source or deb.name
    package = BinaryPackage(
        deb.name, deb.version, source, deb.version, deb.architecture, deb.filename, len(data), digest, None, "", "", ""
    )
    return CachedFile(package, digest, path)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("template") / "repository"
    InternalRepository(root).ensure(now=NOW)
    return root


@pytest.fixture
def repository(template: Path, tmp_path: Path) -> InternalRepository:
    # A long path: gpg's agent would not find its socket in it.
    root = tmp_path / ("long" * 25) / "repository"
    shutil.copytree(template, root, symlinks=True)
    return InternalRepository(root)


def offer(repository: InternalRepository, now: datetime = NOW) -> set[str]:
    return {f"{p.name} {p.version}" for p in repository.state(now=now).packages}


def test_an_empty_repository_is_published_and_proves(repository: InternalRepository) -> None:
    state = repository.state(now=NOW)
    assert state.packages == ()
    assert state.valid_until == NOW + VALIDITY


def test_versions_add_up_and_retire(repository: InternalRepository, tmp_path: Path) -> None:
    files = [cached(tmp_path / "c", Deb("portal", v)) for v in ("1.0", "1.1")]
    data = cached(tmp_path / "c", Deb("portal-data", "1.1", architecture="all", source="portal"))
    first = repository.adopt(files[:1], "C-1", now=NOW)
    second = repository.adopt([files[1], data], "C-2", now=NOW)
    assert first != second
    assert offer(repository) == {"portal 1.0", "portal 1.1", "portal-data 1.1"}
    assert repository.retire("portal", "1.1", now=NOW) is not None
    assert offer(repository) == {"portal 1.0"}
    assert [p.name for p in repository.public.rglob("*.deb")] == ["portal_1.0_amd64.deb"]
    assert repository.retire("portal", "1.1", now=NOW) is None


def test_another_file_of_a_known_version_is_refused(repository: InternalRepository, tmp_path: Path) -> None:
    repository.adopt([cached(tmp_path / "c", Deb("portal", "1.0"))], "C-1", now=NOW)
    with pytest.raises(InternalRepositoryError, match="another file"):
        repository.adopt([cached(tmp_path / "c", Deb("portal", "1.0", payload=b"other"))], "C-2", now=NOW)


def test_nothing_to_adopt_is_an_error(repository: InternalRepository) -> None:
    with pytest.raises(InternalRepositoryError, match="no file"):
        repository.adopt([], "C-1", now=NOW)


def test_it_expires_unless_it_is_refreshed(repository: InternalRepository) -> None:
    later = NOW + VALIDITY - timedelta(hours=1)
    assert repository.refresh(now=NOW + timedelta(days=1)) == NOW + VALIDITY  # fresh enough: nothing is done
    assert repository.refresh(now=later) == later + VALIDITY
    assert repository.state(now=NOW + VALIDITY).date == later
    with pytest.raises(Refusal) as refused:
        repository.state(now=later + VALIDITY)
    assert refused.value.reason is RefusalReason.EXPIRED
    assert repository.refresh(now=later + VALIDITY * 2) == later + VALIDITY * 3


def test_the_index_before_stays_reachable_by_hash(repository: InternalRepository, tmp_path: Path) -> None:
    repository.adopt([cached(tmp_path / "c", Deb("portal", "1.0"))], "C-1", now=NOW)
    index = repository.public / "dists/suture/main/binary-amd64/Packages"
    before = index.read_bytes()
    repository.adopt([cached(tmp_path / "c", Deb("portal", "1.1"))], "C-2", now=NOW)
    assert index.read_bytes() != before
    assert before in [path.read_bytes() for path in (index.parent / "by-hash/SHA256").iterdir()]


def test_the_secret_key_is_nobody_elses(repository: InternalRepository) -> None:
    home = repository.root / "gnupg"
    assert home.stat().st_mode & 0o777 == 0o700
    for path in home.rglob("*.key"):
        assert path.stat().st_mode & 0o077 == 0
    assert b"PRIVATE" not in repository.keyring.read_bytes()


@pytest.mark.skipif(shutil.which("apt-get") is None, reason="needs apt")
def test_apt_takes_it_and_nothing_else(repository: InternalRepository, tmp_path: Path) -> None:
    """A private apt root that knows only our key: it sees our packages, and refuses when our state has expired."""
    repository.adopt([cached(tmp_path / "c", Deb("portal", "1.0"))], "C-1", now=NOW)
    etc = tmp_path / "apt"
    for folder in (
        "state/lists/partial",
        "cache/archives/partial",
        "etc/trusted.gpg.d",
        "etc/preferences.d",
        "etc/parts",
    ):
        (etc / folder).mkdir(parents=True)
    (etc / "status").touch()
    source = f"deb [signed-by={repository.keyring} arch=amd64] file:{repository.public} suture main\n"
    (etc / "etc" / "sources.list").write_text(source)
    options = [
        *("-o", f"Dir::State={etc}/state", "-o", f"Dir::State::status={etc}/status", "-o", f"Dir::Cache={etc}/cache"),
        *("-o", f"Dir::Etc={etc}/etc", "-o", f"Dir::Etc::parts={etc}/etc/parts", "-o", "APT::Architecture=amd64"),
        *(
            "-o",
            "APT::Update::Error-Mode=any",
            "-o",
            "Acquire::Check-Valid-Until=true",
            "-o",
            "Acquire::Check-Date=true",  # false (as some images ship it) switches Valid-Until off as well
            "-o",
            "APT::Sandbox::User=root",
        ),
    ]
    environment = {**os.environ, "LC_ALL": "C"}

    def apt(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [arguments[0], *options, *arguments[1:]], capture_output=True, text=True, check=False, env=environment
        )

    updated = apt("apt-get", "update")
    assert updated.returncode == 0, updated.stderr
    assert "portal" in apt("apt-cache", "policy", "portal").stdout
    repository.refresh(now=NOW - VALIDITY * 2, remaining=VALIDITY * 10)
    for path in (etc / "state/lists").glob("*_*"):
        path.unlink()  # a client that has seen a newer state would keep that one, and say nothing
    assert apt("apt-get", "update").returncode != 0
