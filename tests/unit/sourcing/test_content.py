from __future__ import annotations

import gzip
import hashlib
import io
import lzma
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.content import inflate, verify_index, verify_stream
from suture.sourcing.release import ListedFile
from tests.faults.repository.builder import Deb

DEB = Deb("portal", "1.0", payload=b"x" * 3000).build()


def listed(data: bytes, *, size: int | None = None, path: str = "pool/p.deb") -> ListedFile:
    digests = {"SHA256": hashlib.sha256(data).hexdigest(), "SHA512": hashlib.sha512(data).hexdigest()}
    return ListedFile(path, len(data) if size is None else size, digests)


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@given(st.integers(min_value=1, max_value=4000))
def test_a_whole_file_passes_in_chunks_of_any_size(size: int) -> None:
    sink = io.BytesIO()
    assert verify_stream(listed(DEB), chunks(DEB, size), sink=sink) == hashlib.sha256(DEB).hexdigest()
    assert sink.getvalue() == DEB


@given(st.integers(min_value=0, max_value=len(DEB) - 1), st.integers(min_value=1, max_value=4000))
def test_a_deb_cut_anywhere_is_truncated(cut: int, size: int) -> None:
    with pytest.raises(Refusal) as refused:
        verify_stream(listed(DEB), chunks(DEB[:cut], size))
    # Cut exactly between two members, the rest is a whole archive by its format.
    assert refused.value.reason in {RefusalReason.TRUNCATED, RefusalReason.SIZE_MISMATCH}
    if refused.value.reason is RefusalReason.SIZE_MISMATCH:
        assert DEB[cut:].startswith((b"control.tar", b"data.tar"))


@given(st.integers(min_value=0, max_value=len(DEB) - 1))
def test_one_wrong_bit_anywhere_is_found(position: int) -> None:
    data = bytearray(DEB)
    data[position] ^= 1
    with pytest.raises(Refusal) as refused:
        verify_stream(listed(DEB), [bytes(data)])
    assert refused.value.reason is RefusalReason.HASH_MISMATCH


def test_every_listed_digest_counts() -> None:
    good = listed(DEB)
    lying = ListedFile(good.path, good.size, {**good.digests, "SHA512": "0" * 128})
    with pytest.raises(Refusal, match="SHA512"):
        verify_stream(lying, [DEB])


def test_reading_stops_at_the_first_chunk_too_many() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield b"x" * 1000

    with pytest.raises(Refusal) as refused:
        verify_stream(listed(DEB), endless())
    assert refused.value.reason is RefusalReason.SIZE_MISMATCH
    assert taken <= len(DEB) // 1000 + 1


@pytest.mark.parametrize("suffix", ["", ".xz", ".gz"])
def test_indices_inflate(suffix: str) -> None:
    text = b"Package: a\n" * 100
    packed = {"": text, ".xz": lzma.compress(text), ".gz": gzip.compress(text)}[suffix]
    assert inflate("Packages" + suffix, packed, listed_bytes=len(text)) == text
    twice = {"": text, ".xz": packed * 2, ".gz": packed * 2}[suffix]
    assert inflate("Packages" + suffix, twice, listed_bytes=None) == text * (1 if suffix == "" else 2)


@pytest.mark.parametrize("suffix", [".xz", ".gz"])
@pytest.mark.parametrize("listed_bytes", [1000, None])
def test_inflating_is_bounded(suffix: str, listed_bytes: int | None) -> None:
    bomb = b"\0" * 4 * 1024 * 1024
    packed = lzma.compress(bomb) if suffix == ".xz" else gzip.compress(bomb)
    with pytest.raises(Refusal) as refused:
        inflate("Packages" + suffix, packed, listed_bytes=listed_bytes)
    expected = RefusalReason.MALFORMED if listed_bytes is None else RefusalReason.SIZE_MISMATCH
    assert refused.value.reason is expected


@pytest.mark.parametrize("suffix", [".xz", ".gz"])
def test_a_cut_archive_is_truncated(suffix: str) -> None:
    text = bytes(range(256)) * 50
    packed = lzma.compress(text) if suffix == ".xz" else gzip.compress(text)
    for cut in (1, len(packed) // 2, len(packed) - 1):
        with pytest.raises(Refusal) as refused:
            verify_index(listed(packed, path="Packages" + suffix), packed[:cut])
        assert refused.value.reason is RefusalReason.TRUNCATED
