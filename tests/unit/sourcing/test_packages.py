from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.packages import parse_packages

STANZA = f"""Package: libnginx-mod-mail
Source: nginx (1.22.1-9)
Version: 1.22.1-9+b1
Architecture: amd64
Pre-Depends: dpkg (>= 1.19)
Depends: nginx-common (= 1.22.1-9), libc6 (>= 2.4)
Provides: mail-module (= 1)
Description: a module
Filename: ./pool/n/nginx_1.deb
Size: 42
SHA256: {"b" * 64}
"""


def test_a_stanza_is_read() -> None:
    (package,) = parse_packages(STANZA.encode(), subject="Packages", component="main")
    assert (package.name, package.version, package.architecture) == ("libnginx-mod-mail", "1.22.1-9+b1", "amd64")
    assert (package.source, package.source_version) == ("nginx", "1.22.1-9")
    assert (package.filename, package.size, package.sha256) == ("pool/n/nginx_1.deb", 42, "b" * 64)
    assert package.depends.startswith("nginx-common")
    assert package.pre_depends == "dpkg (>= 1.19)"
    assert package.component == "main"


def test_without_source_the_package_is_its_own() -> None:
    (package,) = parse_packages(STANZA.replace("Source: nginx (1.22.1-9)\n", "").encode(), subject="Packages")
    assert (package.source, package.source_version) == ("libnginx-mod-mail", "1.22.1-9+b1")


def test_a_source_without_version_has_the_binarys() -> None:
    (package,) = parse_packages(STANZA.replace(" (1.22.1-9)\nV", "\nV").encode(), subject="Packages")
    assert (package.source, package.source_version) == ("nginx", "1.22.1-9+b1")


def test_an_empty_index_holds_no_package() -> None:
    assert parse_packages(b"", subject="Packages") == []


def test_sha512_alone_is_strong_enough() -> None:
    text = STANZA.replace(f"SHA256: {'b' * 64}", f"SHA512: {'c' * 128}")
    (package,) = parse_packages(text.encode(), subject="Packages")
    assert package.listed().digests == {"SHA512": "c" * 128}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Size: 42", "Size: 4e9", RefusalReason.MALFORMED),
        ("Size: 42", "Size: ٤٢", RefusalReason.MALFORMED),
        ("Size: 42", f"Size: {'9' * 5000}", RefusalReason.MALFORMED),
        ("Size: 42\n", "", RefusalReason.MALFORMED),
        ("Version: 1", "Version: 1 2", RefusalReason.MALFORMED),
        ("Version:", "Package: twice\nVersion:", RefusalReason.MALFORMED),
        ("Package: lib", "Package: {{ 7*7 }}", RefusalReason.MALFORMED),
        ("Package: lib", "Package: $(reboot)", RefusalReason.MALFORMED),
        ("./pool/n", "./pool/../../n", RefusalReason.MALFORMED),
        ("Source: nginx (1.22.1-9)", "Source: a b c", RefusalReason.MALFORMED),
        ("b" * 64, "b" * 63, RefusalReason.MALFORMED),
        ("b" * 64, "x" * 64, RefusalReason.MALFORMED),
        ("SHA256", "SHA1", RefusalReason.WEAK_HASH),
    ],
)
def test_doubtful_stanzas_are_refused(old: str, new: str, reason: RefusalReason) -> None:
    assert old in STANZA
    with pytest.raises(Refusal) as refused:
        parse_packages(STANZA.replace(old, new, 1).encode(), subject="Packages")
    assert refused.value.reason is reason


@given(st.binary(max_size=400))
def test_no_bytes_break_the_parser(data: bytes) -> None:
    with contextlib.suppress(Refusal):
        parse_packages(data, subject="Packages")


@given(st.integers(min_value=0, max_value=len(STANZA) - 2))
def test_a_cut_index_never_gives_a_package_with_less_than_its_digest(cut: int) -> None:
    try:
        found = parse_packages(STANZA[:cut].encode(), subject="Packages")
    except Refusal:
        return
    assert found == []


@pytest.mark.parametrize(
    ("field", "found"), [("", None), ("Phased-Update-Percentage: 30\n", 30), ("Phased-Update-Percentage: 0\n", 0)]
)
def test_a_phased_update_says_its_share(field: str, found: int | None) -> None:
    text = STANZA.replace("Version:", f"{field}Version:", 1)
    (package,) = parse_packages(text.encode(), subject="Packages")
    assert package.phased_percentage == found


@pytest.mark.parametrize("share", ["101", "-1", "3O", "ten", ""])
def test_a_phase_that_is_no_percentage_is_refused(share: str) -> None:
    text = STANZA.replace("Version:", f"Phased-Update-Percentage: {share}\nVersion:", 1)
    with pytest.raises(Refusal, match="Phased-Update-Percentage"):
        parse_packages(text.encode(), subject="Packages")
