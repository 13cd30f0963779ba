"""No planted secret survives masking, however it is written; what is harmless stays, and masking twice changes nothing."""

from __future__ import annotations

import base64
import string
from urllib.parse import parse_qs, quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.staging.traffic_mask import MASKED, NEVER, looks_secret, luhn, mask_headers, mask_query, mask_target

KEEP = ("page", "sort", "q")
HEX = st.text("0123456789abcdef", min_size=32, max_size=64).filter(
    lambda t: any(c.isdigit() for c in t) and any(c.isalpha() for c in t)
)
BASE64 = st.binary(min_size=24, max_size=48).map(lambda b: base64.urlsafe_b64encode(b).decode().rstrip("="))
NAME = st.text(string.ascii_lowercase, min_size=1, max_size=12)
EMAIL = st.builds(lambda a, b, c: f"{a}@{b}.{c}", NAME, NAME, st.sampled_from(["com", "example", "org"]))
JWT = st.builds(lambda a, b, c: f"eyJ{a}.eyJ{b}.{c}", BASE64, BASE64, BASE64)


def _card(digits: str) -> str:
    return next(digits + str(last) for last in range(10) if luhn(digits + str(last)))


CARD = st.text("0123456789", min_size=12, max_size=18).map(_card)
SECRET = st.one_of(EMAIL, CARD, JWT, HEX, BASE64)
ENCODE = st.sampled_from(
    [lambda t: t, lambda t: quote(t, safe=""), lambda t: quote(quote(t, safe=""), safe=""),
     lambda t: "".join(f"%{byte:02X}" for byte in t.encode())]
)  # fmt: skip


def whole(target: str) -> str:
    path, query = mask_target(target, KEEP)
    return f"{path}?{query}"


def is_gone(secret: str, masked: str) -> bool:
    return all(
        form not in masked for form in (secret, quote(secret, safe=""), quote(secret), quote(quote(secret, safe="")))
    )


@given(
    SECRET,
    ENCODE,
    st.sampled_from(["/a/{}", "/{}/b", "/x?page={}", "/x?q=1&sort={}", "/x?other={}", "/x;v={}", "/x?{}=1"]),
)
def test_no_secret_survives(secret: str, encode: object, shape: str) -> None:
    assert is_gone(secret, whole(shape.format(encode(secret))))  # type: ignore[operator]


@given(
    st.text(string.ascii_letters + string.digits, min_size=1, max_size=40).filter(lambda v: v != MASKED),
    st.sampled_from(["password", "token", "api_key", "sid", "PWD"]),
)
def test_what_follows_a_telling_word_is_gone_however_harmless_it_looks(value: str, word: str) -> None:
    assert mask_target(f"/reset/{value}/done", KEEP)[0].startswith("/reset/masked/")
    assert parse_qs(mask_query(f"{word}={value}", (*KEEP, word)))[word] == [MASKED]


@given(SECRET, st.sampled_from(sorted(NEVER)))
def test_headers_of_credentials_are_never_kept(secret: str, name: str) -> None:
    assert mask_headers({name: secret, name.title(): "x"}, [*NEVER, "Accept"]) == {}
    assert mask_headers({"accept": secret}, ["accept"]) == {}
    assert mask_headers({"accept": "text/html", "x-other": "1"}, ["Accept"]) == {"accept": "text/html"}


@given(st.text(max_size=200))
def test_masking_takes_any_text_and_twice_is_as_good_as_once(text: str) -> None:
    path, query = mask_target("/" + text, KEEP)
    assert path.startswith("/")
    assert all(32 < ord(character) < 127 for character in path + query)
    again = mask_target(f"{path}?{query}" if query else path, KEEP)
    assert again == (path, query)


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/api/orders", "/api/orders?"),
        ("/api/orders/1234567?page=2&sort=date-desc", "/api/orders/1234567?page=2&sort=date-desc"),
        ("/static/rocket-skates-deluxe.min.js", "/static/rocket-skates-deluxe.min.js?"),
        ("/files?name=price-list.txt", "/files?name=masked"),
        ("http://olga:pw@shop.example/api/v2/items#frag", "/api/v2/items?"),
        ("//evil.example/x", "/evil.example/x?"),
        ("/caf%C3%A9/menu", "/caf%C3%A9/menu?"),
        ("/%00/%ff", "/masked/masked?"),
    ],
)
def test_what_is_harmless_stays_and_what_is_not_understood_does_not(target: str, kept: str) -> None:
    assert whole(target) == kept


@pytest.mark.parametrize(
    "word", ["earthquake-pills", "v2", "2026-11-26", "application/json", "1234567890123", "index.html"]
)
def test_ordinary_words_are_no_secrets(word: str) -> None:
    assert luhn("1234567890123") is False
    assert not looks_secret(word)


@pytest.mark.parametrize("text", ["4111 1111 1111 1111", "5500-0000-0000-0004", "x4111111111111111y", "a.b@c.de"])
def test_cards_and_addresses_are_found_inside_other_text(text: str) -> None:
    assert looks_secret(text)
