"""A server that is dead, slow, endless, broken, or sends us elsewhere: refused soon, and nothing is adopted."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from suture.sourcing import AptSource, Refusal, RefusalReason, verify_repository
from suture.sourcing.cache import FileCache
from suture.sourcing.repository import verify_files
from suture.sourcing.seen import NothingSeen
from suture.sourcing.transport import FolderTransport, HttpTransport
from tests.conftest import free_port
from tests.faults.repository.builder import SUITE, Repository, good_repository
from tests.faults.repository.conftest import Keys
from tests.faults.repository.server import serving

R = RefusalReason
PATIENCE_S = 30.0  # a busy machine is slow; a server that drips goes on for a minute
LITTLE_PATIENCE_S = 0.6


@pytest.fixture
def vendor(tmp_path: Path, keys: Keys, published_keyring: Path) -> Repository:
    return good_repository(tmp_path / "vendor", datetime.now(UTC)).publish(keys.good)


def prove(url: str, vendor: Repository, keys: Keys, *, patience_s: float = PATIENCE_S) -> int:
    """How many package files were proven over HTTP."""
    source = AptSource("vendor", url, SUITE, (keys.keyring,), frozenset(keys.pins))
    transport = HttpTransport(url, timeout_s=patience_s)
    try:
        adoption = verify_repository(
            source, transport, at=vendor.now, seen=NothingSeen(), choose_files=lambda packages: packages
        )
        return len(adoption.files)
    finally:
        transport.close()


def test_a_well_behaved_server_is_adopted(vendor: Repository, keys: Keys) -> None:
    with serving(vendor.root) as (url, _requests):
        assert prove(url, vendor, keys) == 3


@pytest.mark.parametrize("where", ["InRelease", "Packages.xz", "portal_2.0"])
@pytest.mark.parametrize(
    ("fault", "reasons"),
    [
        ("error", {R.UNREACHABLE}),
        ("cut", {R.TRUNCATED}),
        ("endless", {R.SIZE_MISMATCH}),
        ("slow_body", {R.UNREACHABLE}),
        ("slow_headers", {R.UNREACHABLE}),
    ],
)
def test_a_faulty_server_is_refused_in_time(
    vendor: Repository, keys: Keys, fault: str, reasons: set[RefusalReason], where: str
) -> None:
    slow = fault.startswith("slow")
    started = time.monotonic()
    with serving(vendor.root, {where: fault}) as (url, _requests), pytest.raises(Refusal) as refused:
        prove(url, vendor, keys, patience_s=LITTLE_PATIENCE_S if slow else PATIENCE_S)
    assert refused.value.reason in reasons, refused.value.sentence
    assert ("too slow" in refused.value.sentence) == slow
    assert time.monotonic() - started < PATIENCE_S


def test_a_dead_server_is_unreachable_and_worth_another_try(vendor: Repository, keys: Keys) -> None:
    with pytest.raises(Refusal) as refused:
        prove(f"http://127.0.0.1:{free_port()}", vendor, keys)
    assert refused.value.reason is R.UNREACHABLE
    assert refused.value.retryable


def test_a_redirect_to_another_place_is_not_followed(vendor: Repository, keys: Keys) -> None:
    with serving(vendor.root) as (elsewhere, seen):
        target = f"redirect={elsewhere}/dists/{SUITE}/InRelease"
        with serving(vendor.root, {"InRelease": target}) as (url, _requests), pytest.raises(Refusal) as refused:
            prove(url, vendor, keys)
        assert refused.value.reason is R.UNREACHABLE
        assert seen == []


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://user@127.0.0.1/", "gopher://x/", "//169.254.169.254/"]
)
def test_a_redirect_by_trickery_is_not_followed(vendor: Repository, keys: Keys, target: str) -> None:
    with serving(vendor.root, {"InRelease": f"redirect={target}"}) as (url, _r), pytest.raises(Refusal) as refused:
        prove(url, vendor, keys)
    assert refused.value.reason is R.UNREACHABLE


def test_a_redirect_within_the_same_server_is_followed(vendor: Repository, keys: Keys) -> None:
    copy = vendor.root / "real"
    copy.mkdir()
    (copy / "signed").write_bytes(vendor.inrelease.read_bytes())
    with serving(vendor.root, {"InRelease": "redirect=/real/signed"}) as (url, _requests):
        assert prove(url, vendor, keys) == 3


def test_redirects_in_a_circle_end(vendor: Repository, keys: Keys) -> None:
    with serving(vendor.root, {"InRelease": "redirect=/InRelease"}) as (url, seen), pytest.raises(Refusal) as refused:
        prove(url, vendor, keys)
    assert refused.value.reason is R.UNREACHABLE
    assert len(seen) <= 5


def test_by_hash_is_asked_first(tmp_path: Path, keys: Keys, published_keyring: Path) -> None:
    """In the middle of a mirror's update the path holds the next state already; the digest still names ours."""
    vendor = good_repository(tmp_path / "by-hash", datetime.now(UTC), by_hash=True).publish(keys.good)
    for form in vendor.forms:
        vendor.index.with_name("Packages" + form).write_bytes(b"the next state")
    with serving(vendor.root) as (url, requests):
        assert prove(url, vendor, keys) == 3
    assert any("by-hash/SHA256" in request for request in requests)
    source = AptSource("vendor", str(vendor.root), SUITE, (keys.keyring,))
    with pytest.raises(Refusal) as refused:  # a folder does not change under us: there it is a fault
        verify_repository(source, FolderTransport(vendor.root), at=vendor.now, seen=NothingSeen())
    assert refused.value.reason in {R.TRUNCATED, R.SIZE_MISMATCH}


def test_a_broken_download_is_resumed_and_proven(tmp_path: Path, vendor: Repository, keys: Keys) -> None:
    source = AptSource("vendor", str(vendor.root), SUITE, (keys.keyring,))
    package = verify_repository(source, FolderTransport(vendor.root), at=vendor.now, seen=NothingSeen()).packages[0]
    cache = FileCache(tmp_path / "cache")
    whole = vendor.deb_path().read_bytes()
    assert package.sha256 is not None
    part = tmp_path / "cache" / "sha256" / package.sha256[:2] / f"{package.sha256}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(whole[:100])
    with serving(vendor.root) as (url, requests):
        transport = HttpTransport(url, timeout_s=PATIENCE_S)
        assert cache.fetch(transport, package).path.read_bytes() == whole
        assert requests == [f"/{package.filename} bytes=100-"]
        part.write_bytes(b"x" * 100)  # a part of something else: found out, thrown away, fetched anew
        cached = cache.fetch(transport, package).path
        cached.unlink()
        assert cache.fetch(transport, package).path.read_bytes() == whole
        transport.close()
    assert not part.exists()


def test_a_file_that_rotted_in_the_cache_is_fetched_anew(tmp_path: Path, vendor: Repository, keys: Keys) -> None:
    transport = FolderTransport(vendor.root)
    source = AptSource("vendor", str(vendor.root), SUITE, (keys.keyring,))
    package = verify_repository(source, transport, at=vendor.now, seen=NothingSeen()).packages[0]
    cache = FileCache(tmp_path / "cache")
    path = cache.fetch(transport, package).path
    path.write_bytes(b"rotten" + path.read_bytes()[6:])
    assert cache.fetch(transport, package).path.read_bytes() == vendor.deb_path().read_bytes()
    assert verify_files(transport, [replace(package)])[0].sha256 == package.sha256
