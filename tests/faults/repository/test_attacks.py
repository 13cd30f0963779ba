"""Every attack on a repository is refused with its own reason; the internal repository stays as it was, byte for byte.

Catalogue: F13 to F18, apt's integration tests, TUF's threat list.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import lzma
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from suture.sourcing import RefusalReason
from suture.store import sources
from tests.faults.repository.builder import PACKERS, RELEASE_DATE, SUITE, Deb
from tests.faults.repository.conftest import Ground

R = RefusalReason
Attack = Callable[[Ground], object]


def stamp(when: datetime) -> str:
    return when.strftime(RELEASE_DATE)


# -- signature ------------------------------------------------------------------------------------------------------


def unsigned(g: Ground) -> None:
    r = g.good()
    r.inrelease.unlink()
    (r.dist / "Release.gpg").unlink()


def unsigned_text_in_inrelease(g: Ground) -> None:
    r = g.good()
    r.inrelease.write_text(r.release_text())


def signed_by_stranger(g: Ground) -> None:
    g.repository().publish(g.keys.stranger)


def signed_by_unpinned_key(g: Ground) -> None:
    g.repository().publish(g.keys.unpinned)


def signed_by_expired_key(g: Ground) -> None:
    g.repository().publish(g.keys.expired, signed_at=datetime(2020, 1, 10))


def signed_by_revoked_key(g: Ground) -> None:
    g.repository().publish(g.keys.revoked)


def tampered_release(g: Ground) -> None:
    r = g.good()
    r.inrelease.write_bytes(r.inrelease.read_bytes().replace(b"Origin: Vendor", b"Origin: Vandal"))


def tampered_detached_release(g: Ground) -> None:
    r = g.good()
    r.inrelease.unlink()
    (r.dist / "Release").write_bytes((r.dist / "Release").read_bytes() + b"Description: more\n")


def text_before_signed_block(g: Ground) -> None:
    r = g.good()
    r.inrelease.write_bytes(b"Valid-Until: Fri, 01 Jan 2100 00:00:00 UTC\n" + r.inrelease.read_bytes())


def text_after_signed_block(g: Ground) -> None:
    r = g.good()
    r.inrelease.write_bytes(r.inrelease.read_bytes() + b"SHA256:\n 00 0 evil\n")


def two_signed_blocks(g: Ground) -> None:
    r = g.good()
    r.inrelease.write_bytes(r.inrelease.read_bytes() * 2)


def text_in_signed_header(g: Ground) -> None:
    r = g.good()
    r.inrelease.write_bytes(r.inrelease.read_bytes().replace(b"\nHash: SHA512\n", b"\nHash: SHA512\nOrigin: Evil\n"))


def cut_inrelease(g: Ground) -> None:
    r = g.good()
    r.inrelease.write_bytes(r.inrelease.read_bytes()[:-40])


def empty_inrelease(g: Ground) -> None:
    g.good().inrelease.write_bytes(b"")


def weak_signature_digest(g: Ground) -> None:
    g.repository().publish(g.keys.good, digest="SHA1")


def _detached(attack: Attack) -> Attack:
    """The same attack where there is only Release and Release.gpg."""

    def without_inrelease(g: Ground) -> None:
        attack(g)
        (g.root / "dists" / SUITE / "InRelease").unlink()

    without_inrelease.__name__ = f"detached_{attack.__name__}"
    return without_inrelease


def _edited_signature(name: str, edit: Callable[[bytes], bytes]) -> Attack:
    def attack(g: Ground) -> None:
        r = g.good()
        r.inrelease.unlink()
        path = r.dist / "Release.gpg"
        path.write_bytes(edit(path.read_bytes()))

    attack.__name__ = name
    return attack


def signature_of_another_release(g: Ground) -> None:
    """Release.gpg of yesterday beside Release of today: a mix of two states, each well signed."""
    r = g.repository(fields={"Date": stamp(g.now - timedelta(hours=9))}).publish(g.keys.good)
    yesterday = (r.dist / "Release.gpg").read_bytes()
    r = g.good()
    r.inrelease.unlink()
    (r.dist / "Release.gpg").write_bytes(yesterday)


def one_bad_signature_beside_a_good_one(g: Ground) -> None:
    r = g.good()
    _inline, other = g.keys.unpinned.sign_at(b"another text\n", g.now - timedelta(hours=1))
    r.inrelease.unlink()
    good = (r.dist / "Release.gpg").read_bytes()
    (r.dist / "Release.gpg").write_bytes(one_armour(good, other))


def one_armour(*armoured: bytes) -> bytes:
    """Several detached signatures as one binary file, the way archives carry them."""
    bodies = (re.search(rb"\n\n(.*?)\n=", text, re.DOTALL) for text in armoured)
    return b"".join(base64.b64decode(body[1]) for body in bodies if body)


def signed_by_short_rsa_key(g: Ground) -> None:
    g.repository().publish(g.keys.short)


# -- time -----------------------------------------------------------------------------------------------------------


def frozen(g: Ground) -> None:
    old = {"Date": stamp(g.now - timedelta(days=9)), "Valid-Until": stamp(g.now - timedelta(days=2))}
    g.repository(fields=old).publish(g.keys.good)


def old_without_valid_until(g: Ground) -> None:
    r = g.repository(fields={"Date": stamp(g.now - timedelta(days=10))})
    del r.fields["Valid-Until"]
    r.publish(g.keys.good)


def dated_in_the_future(g: Ground) -> None:
    g.repository(fields={"Date": stamp(g.now + timedelta(hours=2))}).publish(g.keys.good)


def undated(g: Ground) -> None:
    r = g.repository()
    del r.fields["Date"]
    r.publish(g.keys.good)


# -- identity -------------------------------------------------------------------------------------------------------


def another_suite(g: Ground) -> None:
    g.repository(fields={"Suite": "testing", "Codename": "trixie"}).publish(g.keys.good)


def another_codename(g: Ground) -> None:
    g.repository(fields={"Codename": "trixie"}).publish(g.keys.good)


def another_origin(g: Ground) -> None:
    g.repository(fields={"Origin": "Somebody"}).publish(g.keys.good)


def another_component(g: Ground) -> None:
    g.repository(fields={"Components": "contrib"}).publish(g.keys.good)


# -- hashes, sizes, indices -----------------------------------------------------------------------------------------


def weak_hashes_for_indices(g: Ground) -> None:
    g.repository(digests=("MD5Sum", "SHA1")).publish(g.keys.good)


def weak_hashes_for_packages(g: Ground) -> None:
    g.repository(package_digests=("MD5sum", "SHA1")).publish(g.keys.good)


def weak_hash_for_the_index_alone(g: Ground) -> None:
    """SHA-256 for everything but the index itself."""
    r = g.repository()
    r.edit_release = lambda text: re.sub(r"(?s)(SHA256:\n).*", rf"\1 {'0' * 64} 10 main/Contents-amd64\n", text)
    r.publish(g.keys.good)


def form_that_says_something_else(g: Ground) -> None:
    """Both forms match their digests; a client that takes the other form gets another list."""
    r = g.repository(forms=(".gz", ".xz"))
    r.edit_form = lambda form, data: gzip.compress(b"Package: evil\n", mtime=0) if form == ".gz" else data
    r.publish(g.keys.good)


def index_of_the_next_state(g: Ground) -> None:
    """A mirror in the middle of its update: Release of one state, indices of the next."""
    old = g.good()
    release = {path.name: path.read_bytes() for path in old.dist.iterdir() if path.is_file()}
    new = g.repository()
    new.debs.append(Deb("newer", "1.0"))
    new.publish(g.keys.good)
    for name, data in release.items():
        (new.dist / name).write_bytes(data)


def _bomb(form: str) -> Attack:
    def attack(g: Ground) -> None:
        r = g.repository(forms=(form,))
        r.edit_form = lambda _form, _data: PACKERS[form](b"\n" * 16 * 1024 * 1024)
        r.publish(g.keys.good)

    attack.__name__ = f"bomb{form}"
    return attack


def _cut_form(form: str) -> Attack:
    def attack(g: Ground) -> None:
        path = g.repository(forms=(form,)).publish(g.keys.good).index.with_name("Packages" + form)
        path.write_bytes(path.read_bytes()[:-12])

    attack.__name__ = f"cut{form}"
    return attack


def tampered_index(g: Ground) -> None:
    r = g.good()
    for form, pack in ((".xz", lzma.compress), ("", bytes)):
        path = r.index.with_name("Packages" + form)
        same_size = r.index.read_bytes().replace(b"portal-data", b"portal-evil")
        path.write_bytes(pack(same_size) if not form else _flip(path.read_bytes()))


def _flip(data: bytes) -> bytes:
    return data[:-20] + bytes([data[-20] ^ 1]) + data[-19:]


def cut_index(g: Ground) -> None:
    r = g.good()
    path = r.index.with_name("Packages.xz")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def longer_index(g: Ground) -> None:
    path = g.good().index.with_name("Packages.xz")
    path.write_bytes(path.read_bytes() + b"\0" * 4)


def wrong_index_size_in_release(g: Ground) -> None:
    r = g.repository()
    r.edit_release = lambda text: re.sub(r" (\d+) (main\S+Packages\.xz)", r" 99999 \2", text)
    r.publish(g.keys.good)


def wrong_index_digest_in_release(g: Ground) -> None:
    r = g.repository()
    r.edit_release = lambda text: re.sub(r"(?m)^ [0-9a-f]{64} ", f" {'a' * 64} ", text)
    r.publish(g.keys.good)


def missing_index(g: Ground) -> None:
    r = g.good()
    for form in r.forms:
        r.index.with_name("Packages" + form).unlink()


def unlisted_index(g: Ground) -> None:
    r = g.repository()
    r.edit_release = lambda text: text.replace("binary-amd64", "binary-arm64")
    r.publish(g.keys.good)


def packed_index_holds_another_text(g: Ground) -> None:
    """The packed form matches its digest, and inflates to something else than the plain form that is listed too."""
    r = g.repository()
    evil = r.edit_form
    r.edit_form = lambda form, data: lzma.compress(b"Package: evil\n") if form == ".xz" else evil(form, data)
    r.publish(g.keys.good)


def index_is_no_archive(g: Ground) -> None:
    r = g.repository(forms=(".xz",))
    r.edit_form = lambda _form, _data: b"<html>Please log in</html>"
    r.publish(g.keys.good)


def _edited_index(old: str, new: str) -> Attack:
    def attack(g: Ground) -> None:
        r = g.repository()
        r.edit_index = lambda text: text.replace(old, new, 1)
        r.publish(g.keys.good)

    return attack


def two_files_of_one_version(g: Ground) -> None:
    r = g.repository()
    r.edit_index = lambda text: text + "\n" + re.sub(r"SHA256: .", "SHA256: 0", text.split("\n\n")[0]) + "\n"
    r.publish(g.keys.good)


def nul_in_index(g: Ground) -> None:
    r = g.repository()
    r.edit_index = lambda text: text.replace("test package", "test\0package")
    r.publish(g.keys.good)


def listed_path_leaves_suite(g: Ground) -> None:
    r = g.repository()
    r.edit_release = lambda text: text + f" {'0' * 64} 10 main/../../../etc/passwd\n"
    r.publish(g.keys.good)


def field_twice_in_release(g: Ground) -> None:
    r = g.repository()
    r.edit_release = lambda text: "Suite: other\n" + text
    r.publish(g.keys.good)


# -- package files --------------------------------------------------------------------------------------------------


def swapped_package_of_same_size(g: Ground) -> None:
    path = g.good().deb_path()
    path.write_bytes(_flip(path.read_bytes()))


def swapped_package(g: Ground) -> None:
    path = g.good().deb_path()
    path.write_bytes(Deb("portal", "2.0", payload=b"implant\n" * 4000).build())


def swapped_package_smaller(g: Ground) -> None:
    r = g.repository()
    r.debs[0].payload = os.urandom(4000)
    r.publish(g.keys.good)
    r.deb_path().write_bytes(Deb("portal", "2.0", payload=b"small").build())


def cut_package(g: Ground) -> None:
    path = g.good().deb_path()
    path.write_bytes(path.read_bytes()[:-100])


def padded_package(g: Ground) -> None:
    path = g.good().deb_path()
    path.write_bytes(path.read_bytes() + b"\n")


def missing_package(g: Ground) -> None:
    g.good().deb_path().unlink()


def package_links_outside(g: Ground) -> None:
    path = g.good().deb_path()
    outside = g.root.parent / "outside.deb"
    outside.write_bytes(path.read_bytes())
    path.unlink()
    path.symlink_to(outside)


ATTACKS: list[tuple[Attack, RefusalReason]] = [
    (unsigned, R.SIGNATURE_MISSING),
    (unsigned_text_in_inrelease, R.SIGNATURE_MISSING),
    (signed_by_stranger, R.KEY_UNTRUSTED),
    (signed_by_unpinned_key, R.KEY_UNTRUSTED),
    (signed_by_expired_key, R.KEY_EXPIRED),
    (signed_by_revoked_key, R.KEY_REVOKED),
    (tampered_release, R.SIGNATURE_INVALID),
    (tampered_detached_release, R.SIGNATURE_INVALID),
    (text_before_signed_block, R.MALFORMED),
    (text_after_signed_block, R.MALFORMED),
    (two_signed_blocks, R.MALFORMED),
    (text_in_signed_header, R.MALFORMED),
    (cut_inrelease, R.TRUNCATED),
    (empty_inrelease, R.TRUNCATED),
    (weak_signature_digest, R.WEAK_HASH),
    (signed_by_short_rsa_key, R.KEY_UNTRUSTED),
    (_detached(signed_by_stranger), R.KEY_UNTRUSTED),
    (_detached(signed_by_unpinned_key), R.KEY_UNTRUSTED),
    (_detached(signed_by_expired_key), R.KEY_EXPIRED),
    (_detached(signed_by_revoked_key), R.KEY_REVOKED),
    (_detached(signed_by_short_rsa_key), R.KEY_UNTRUSTED),
    (_detached(weak_signature_digest), R.WEAK_HASH),
    (_edited_signature("empty_signature", lambda _data: b"\n"), R.SIGNATURE_MISSING),
    (_edited_signature("cut_signature", lambda data: data[:-40]), R.TRUNCATED),
    (_edited_signature("no_signature_in_it", lambda _data: b"<html>Please log in</html>"), R.SIGNATURE_INVALID),
    (signature_of_another_release, R.SIGNATURE_INVALID),
    (one_bad_signature_beside_a_good_one, R.SIGNATURE_INVALID),
    (frozen, R.EXPIRED),
    (old_without_valid_until, R.EXPIRED),
    (dated_in_the_future, R.NOT_YET_VALID),
    (undated, R.MALFORMED),
    (another_suite, R.IDENTITY_MISMATCH),
    (another_codename, R.IDENTITY_MISMATCH),
    (another_origin, R.IDENTITY_MISMATCH),
    (another_component, R.IDENTITY_MISMATCH),
    (weak_hashes_for_indices, R.WEAK_HASH),
    (weak_hashes_for_packages, R.WEAK_HASH),
    (tampered_index, R.HASH_MISMATCH),
    (cut_index, R.TRUNCATED),
    (longer_index, R.SIZE_MISMATCH),
    (wrong_index_size_in_release, R.SIZE_MISMATCH),
    (wrong_index_digest_in_release, R.HASH_MISMATCH),
    (missing_index, R.UNREACHABLE),
    (unlisted_index, R.MALFORMED),
    (packed_index_holds_another_text, R.SIZE_MISMATCH),
    *[(_bomb(form), R.MALFORMED) for form in PACKERS if form],
    *[(_cut_form(form), R.TRUNCATED) for form in PACKERS if form],
    (weak_hash_for_the_index_alone, R.WEAK_HASH),
    (form_that_says_something_else, R.HASH_MISMATCH),
    (index_of_the_next_state, R.SIZE_MISMATCH),
    (index_is_no_archive, R.MALFORMED),
    (_edited_index("pool/main/p/portal/portal_", "../../../tmp/portal_"), R.MALFORMED),
    (_edited_index("pool/main/p/portal/portal_", "/etc/portal_"), R.MALFORMED),
    (_edited_index("Filename: pool/main", "Filename: pool/../../main"), R.MALFORMED),
    (_edited_index("Version: 2.0\n", "Version: 2.0\nVersion: 3.0\n"), R.MALFORMED),
    (_edited_index("Package: portal\n", "Package: -oDpkg::Pre-Invoke=x\n"), R.MALFORMED),
    (two_files_of_one_version, R.MALFORMED),
    (nul_in_index, R.MALFORMED),
    (listed_path_leaves_suite, R.MALFORMED),
    (field_twice_in_release, R.MALFORMED),
    (swapped_package_of_same_size, R.HASH_MISMATCH),
    (swapped_package, R.SIZE_MISMATCH),
    (swapped_package_smaller, R.SIZE_MISMATCH),
    (cut_package, R.TRUNCATED),
    (padded_package, R.SIZE_MISMATCH),
    (missing_package, R.UNREACHABLE),
    (package_links_outside, R.MALFORMED),
]


@pytest.mark.database
@pytest.mark.parametrize(
    ("attack", "reason"), [pytest.param(a, r, id=f"{n}-{a.__name__}") for n, (a, r) in enumerate(ATTACKS)]
)
def test_an_attack_is_refused_with_its_reason_and_changes_nothing(
    ground: Ground, attack: Attack, reason: RefusalReason
) -> None:
    before = ground.public_digest()
    attack(ground)

    verdict = ground.intake()

    assert (verdict.adopted, verdict.reason) == (False, reason), verdict.sentence
    assert verdict.packages == ()
    assert verdict.snapshot is None
    assert verdict.next_step
    assert len(verdict.sentence) > 20
    assert ground.public_digest() == before
    rows = ground.store.fetch_all("intake/list_intakes", {"campaign_id": ground.campaign, "max_rows": 10})
    assert [(row["verdict"], row["reason"]) for row in rows] == [("refused", reason.value)]
    assert sources.fetch_source_state(ground.store, ground.source, SUITE) is None


@pytest.mark.database
def test_what_is_attacked_is_adopted_when_it_is_left_alone(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The attacks prove nothing if the good repository is refused as well."""
    own = replace(ground, settings=replace(ground.settings, repository_dir=tmp_path_factory.mktemp("own")))
    repository = own.good()

    verdict = own.intake()

    assert (verdict.adopted, verdict.reason) == (True, None), verdict.sentence
    assert {(p.package, p.sha256) for p in verdict.packages} == {
        (deb.name, hashlib.sha256(repository.deb_path(number).read_bytes()).hexdigest())
        for number, deb in enumerate(repository.debs[:2])
    }
    public = own.settings.repository_dir / "public"
    assert (public / "pool/main/p/portal/portal_2.0_amd64.deb").read_bytes() == repository.deb_path().read_bytes()
