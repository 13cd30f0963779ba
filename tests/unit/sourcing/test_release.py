from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from suture.errors import BadInputError
from suture.sourcing import AptSource, Refusal, RefusalReason
from suture.sourcing.release import check_identity, check_time, is_safe_path, parse_release

DIGEST = "a" * 64
GOOD = f"""Origin: Debian
Suite: oldstable-security
Codename: bookworm-security
Date: Sat, 21 Nov 2026 00:53:02 UTC
Valid-Until: Sat, 28 Nov 2026 00:53:02 UTC
Acquire-By-Hash: yes
Architectures: amd64 arm64
Components: updates/main updates/contrib
SHA256:
 {DIGEST} 10 main/binary-amd64/Packages.xz
"""
DATE = datetime(2026, 11, 21, 0, 53, 2, tzinfo=UTC)


def source(**changes: object) -> AptSource:
    return AptSource("s", "/nowhere", "bookworm-security", (Path("k"),), **changes)  # type: ignore[arg-type]


def test_a_release_is_read() -> None:
    release = parse_release(GOOD.encode(), subject="InRelease")
    assert (release.date, release.valid_until) == (DATE, DATE + timedelta(days=7))
    assert release.components == ("updates/main", "updates/contrib")
    assert release.acquire_by_hash
    assert release.files["main/binary-amd64/Packages.xz"].digests == {"SHA256": DIGEST}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("UTC\nValid", "+0200\nValid", RefusalReason.MALFORMED),
        ("Sat, 21 Nov 2026 00:53:02 UTC", "yesterday", RefusalReason.MALFORMED),
        ("Origin: Debian", "no field", RefusalReason.MALFORMED),
        ("Origin: Debian", "Origin: De\0bian", RefusalReason.MALFORMED),
        (DIGEST, "a" * 40, RefusalReason.MALFORMED),
        (DIGEST, "g" * 64, RefusalReason.MALFORMED),
        (" 10 ", " -10 ", RefusalReason.MALFORMED),
        ("SHA256:", "SHA1:", RefusalReason.WEAK_HASH),
        ("SHA256:", "MD5Sum:", RefusalReason.WEAK_HASH),
        ("SHA256:", "SHA3:", RefusalReason.MALFORMED),
    ],
)
def test_doubtful_forms_are_refused(old: str, new: str, reason: RefusalReason) -> None:
    assert old in GOOD
    with pytest.raises(Refusal) as refused:
        parse_release(GOOD.replace(old, new, 1).encode(), subject="InRelease")
    assert refused.value.reason is reason


def test_a_release_that_is_not_utf8_is_malformed() -> None:
    with pytest.raises(Refusal) as refused:
        parse_release(GOOD.encode().replace(b"Debian", b"\xff\xfe"), subject="InRelease")
    assert refused.value.reason is RefusalReason.MALFORMED


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (DATE - timedelta(seconds=11), RefusalReason.NOT_YET_VALID),
        (DATE - timedelta(seconds=9), None),
        (DATE + timedelta(days=7, seconds=-1), None),
        (DATE + timedelta(days=7), RefusalReason.EXPIRED),
    ],
)
def test_time_is_judged_to_the_second(at: datetime, reason: RefusalReason | None) -> None:
    release = parse_release(GOOD.encode(), subject="InRelease")
    if reason is None:
        check_time(release, source(), at=at, subject="InRelease")
        return
    with pytest.raises(Refusal) as refused:
        check_time(release, source(), at=at, subject="InRelease")
    assert refused.value.reason is reason


def test_without_valid_until_the_source_says_how_old_is_too_old() -> None:
    release = parse_release(GOOD.replace("Valid-Until", "Valid-Untold").encode(), subject="InRelease")
    old = source(max_age=timedelta(days=30))
    check_time(release, old, at=DATE + timedelta(days=29), subject="InRelease")
    with pytest.raises(Refusal, match=r"30\.0 days old"):
        check_time(release, old, at=DATE + timedelta(days=30), subject="InRelease")


@pytest.mark.parametrize(
    ("changes", "fits"),
    [
        ({}, True),
        ({"codename": "bookworm-security", "origin": "Debian"}, True),
        ({"components": ("main",), "architectures": ("amd64",)}, True),
        ({"codename": "bookworm"}, False),
        ({"origin": "Ubuntu"}, False),
        ({"label": "Debian-Security"}, False),
        ({"components": ("non-free",)}, False),
        ({"architectures": ("riscv64",)}, False),
    ],
)
def test_identity(changes: dict[str, object], fits: bool) -> None:
    release = parse_release(GOOD.encode(), subject="InRelease")
    if fits:
        check_identity(release, source(**changes), subject="InRelease")
        return
    with pytest.raises(Refusal) as refused:
        check_identity(release, source(**changes), subject="InRelease")
    assert refused.value.reason is RefusalReason.IDENTITY_MISMATCH


def test_a_release_that_names_no_suite_cannot_be_the_one_asked_for() -> None:
    text = GOOD.replace("Suite:", "X-Suite:").replace("Codename:", "X-Codename:")
    with pytest.raises(Refusal) as refused:
        check_identity(parse_release(text.encode(), subject="InRelease"), source(), subject="InRelease")
    assert refused.value.reason is RefusalReason.IDENTITY_MISMATCH


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../x", "a/../../x", "a/..", "./a", "a//b", "a b", "a\nb", "a\\b", "-x", "~x", "ä", "a\0b"],
)
def test_unsafe_paths(path: str) -> None:
    assert not is_safe_path(path)


@pytest.mark.parametrize(
    "path", ["pool/main/g/g++/g++_4%3a12~x+b1_amd64.deb", "main/binary-amd64/Packages.xz", "a..b/c"]
)
def test_safe_paths(path: str) -> None:
    assert is_safe_path(path)


@pytest.mark.parametrize("suite", ["../etc", "/etc", "", "a//b", "a b", "stable/../x"])
def test_a_suite_is_a_plain_name(suite: str) -> None:
    with pytest.raises(BadInputError):
        AptSource("s", "/nowhere", suite, (Path("k"),))
