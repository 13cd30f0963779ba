"""Atom and RSS, as a forge writes its release feed (2024)."""

from __future__ import annotations

import socket

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.atom import decode


def atom(*entries: str) -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>Releases of demo</title>'
        "<id>tag:example.test,2008:demo</id><updated>2024-05-01T00:00:00Z</updated>" + "".join(entries) + "</feed>"
    ).encode()


def entry(
    title: str = "v1.2", link: str = "https://example.test/demo/v1.2", name: str = "tag:demo/v1.2", body: str = ""
) -> str:
    body = (
        body
        or "&lt;p&gt;Fixes &lt;b&gt;CVE-2024-1234&lt;/b&gt; &lt;script&gt;CVE-2024-9999&lt;/script&gt; {{ x }}&lt;/p&gt;"
    )
    return (
        f"<entry><id>{name}</id><updated>2024-05-01T10:00:00Z</updated><title>{title}</title>"
        f'<link rel="alternate" href="{link}"/><content type="html">{body}</content><author><name>dev</name></author></entry>'
    )


def test_entries_become_notices_without_markup() -> None:
    found = decode(atom(entry()), where="demo.atom")
    (row,) = found.tables["notice"]
    assert (row["message_id"], row["list"], row["sender"], row["subject"]) == (
        "tag:demo/v1.2", "Releases of demo", "dev", "v1.2",
    )  # fmt: skip
    assert (row["cve_ids"], row["url"]) == (["CVE-2024-1234"], "https://example.test/demo/v1.2")
    assert row["excerpt"] == "Fixes CVE-2024-1234  {{ x }}"
    assert row["dated_at"] == "2024-05-01T10:00:00+00:00"


def test_rss_is_read_too() -> None:
    rss = (
        b'<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><item><title>CVE-2024-5555 fixed</title>'
        b"<link>https://example.test/5</link><pubDate>Wed, 01 May 2024 10:00:00 +0200</pubDate></item></channel></rss>"
    )
    (row,) = decode(rss, where="news.rss").tables["notice"]
    assert (row["message_id"], row["cve_ids"], row["dated_at"]) == (
        "https://example.test/5", ["CVE-2024-5555"], "2024-05-01T08:00:00+00:00",
    )  # fmt: skip


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "http://example.test/x", "https://user:word@example.test/", "file:///etc/passwd", "//x"],
)
def test_a_link_that_may_not_be_shown_is_dropped_and_the_entry_stands(link: str) -> None:
    (row,) = decode(atom(entry(link=link)), where="w").tables["notice"]
    assert row["url"] is None


def test_an_entry_that_says_nothing_is_named_and_costs_no_other() -> None:
    nothing = "<entry><updated>2024-05-01T10:00:00Z</updated><title>x</title></entry>"
    silent = "<entry><id>tag:silent</id></entry>"
    found = decode(atom(nothing, silent, entry()), where="demo.atom")
    assert len(found.tables["notice"]) == 1
    assert [item.reason for item in found.rejected] == [
        "demo.atom, entry 0: id: it has neither an id nor a link that counts.",
        "demo.atom, entry 1: title: it has neither a title nor a text.",
    ]


BOMB = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feed xmlns="http://www.w3.org/2005/Atom"><title>&b;</title></feed>'
OUTSIDE = (
    b'<?xml version="1.0"?><!DOCTYPE l SYSTEM "http://127.0.0.1:9/x.dtd"><feed xmlns="http://www.w3.org/2005/Atom"/>'
)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (BOMB, "declares a document type"), (OUTSIDE, "declares a document type"), (b"", "empty"),
        (b"<!DOCTYPE html><p>Sorry", "web page"), (b"{}", "not well-formed|neither Atom"), (atom(entry())[:-40], "not well-formed"),
        (b"\x00" + atom(entry()), "NUL"), (b"http://127.0.0.1:9/feed", "not well-formed|neither Atom"),
        (b"/etc/passwd", "not well-formed|neither Atom"),
    ],
)  # fmt: skip
def test_what_is_no_whole_feed_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(FeedFormatError, match=reason):
        decode(raw, where="demo.atom")


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise AssertionError("the decoder asked the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    decode(atom(entry(body='&lt;img src="https://example.test/track.png"&gt;')), where="w")
