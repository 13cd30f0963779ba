"""mbox archives (RFC 4155), written as a list server of 2024 writes them."""

from __future__ import annotations

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.mbox import decode

FIRST = b"""From nobody Mon Apr  1 10:00:00 2024
From: =?utf-8?q?A_Res=C3=A9archer?= <a@example.test>
Date: Fri, 29 Mar 2024 08:51:26 -0700
Subject: backdoor in upstream xz/liblzma
 leading to ssh server compromise (CVE-2024-3094)
Message-ID: <20240329155126.kjjfduxw2yrlxgzm@example.test>
List-Id: <oss-security.lists.example.test>
Archived-At: <https://www.example.test/lists/2024/03/29/4>
Content-Type: text/plain; charset=utf-8

Hi,
>From what I see cve-2024-3094 is real, CVE-2024-30947x is none, {{ config }} neither.
"""
SECOND = b"""From nobody Mon Apr  1 11:00:00 2024
From: b@example.test
Subject: Re: it
Message-ID: <2@example.test>
In-Reply-To: <20240329155126.kjjfduxw2yrlxgzm@example.test>
Date: not a date
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=BB

--BB
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=CVE-2024-1111.txt

CVE-2024-1111
--BB
Content-Type: text/html; charset=x-martian

<p>Caf\xe9 <script>CVE-2024-2222</script>&lt;b&gt; CVE-2024-4444</p>
--BB--
"""


def test_messages_become_notices() -> None:
    found = decode(FIRST + b"\n" + SECOND, where="list.mbox")
    assert (found.records, found.rejected, found.data_date) == (2, [], None)
    first, second = sorted(found.tables["notice"], key=lambda row: row["dated_at"] or "9")
    assert first["subject"] == "backdoor in upstream xz/liblzma leading to ssh server compromise (CVE-2024-3094)"
    assert first["sender"] == "A Reséarcher <a@example.test>"
    assert (first["dated_at"], first["list"]) == ("2024-03-29T15:51:26+00:00", "oss-security.lists.example.test")
    assert first["cve_ids"] == ["CVE-2024-3094", "CVE-2024-30947"]  # a mention is a mention
    assert first["url"] == "https://www.example.test/lists/2024/03/29/4"
    assert "From what I see" in first["excerpt"]
    assert ">From" not in first["excerpt"]
    assert "{{ config }}" in first["excerpt"]
    assert (second["dated_at"], second["in_reply_to"]) == (None, first["message_id"])
    assert second["excerpt"] == "Café <b> CVE-2024-4444"  # an unknown charset, no attachment, no script, no markup
    assert second["cve_ids"] == ["CVE-2024-4444"]


def message(headers: bytes, body: bytes = b"text\n") -> bytes:
    return b"From x\n" + headers + b"\n" + body + b"\n"


@pytest.mark.parametrize(
    ("headers", "field", "value"),
    [
        (b"Subject: =?utf-8?b?w6k=?= =?nonsense?q?a?=\n", "subject", "éa"),
        (b"Subject: a\x07\xe2\x80\xaeb\n", "subject", "a b"),
        (b"Subject: " + b"x" * 9000 + b"\n", "subject", "x" * 499 + "…"),
        (b"Subject: <script>alert(1)</script>\n", "subject", "<script>alert(1)</script>"),
        (b"Subject: a\nArchived-At: <javascript:alert(1)>\n", "url", None),
        (b"Subject: a\nArchived-At: <https://user:word@example.test/>\n", "url", None),
        (b"Subject: a\nDate: Mon, 99 Foo 20000 99:99:99 +9999\n", "dated_at", None),
        (b"Subject: a\nMessage-ID: none\n", "in_reply_to", None),
    ],
)
def test_hostile_headers_are_made_plain(headers: bytes, field: str, value: object) -> None:
    found = decode(message(headers), where="w")
    (row,) = found.tables["notice"]
    assert row[field] == value


def test_a_message_without_an_id_is_known_by_its_content() -> None:
    one, two = (decode(message(b"Subject: a\n"), where="w").tables["notice"][0]["message_id"] for _ in range(2))
    assert one == two
    assert one.startswith("sha256-")


BAD = {
    "a NUL": (message(b"Subject: a\x00\n"), "NUL"),
    "an encoded NUL": (message(b"Subject: =?utf-8?q?a=00b?=\n"), "NUL"),
    "too many parts": (
        message(b"Content-Type: multipart/mixed; boundary=B\n", b"--B\n\nx\n" * 300 + b"--B--\n"), "more than 200 parts",
    ),
    "no headers": (b"From x\n\nhello\n\n", "it has no headers"),
    "too many headers": (message(b"".join(b"X-%d: y\n" % number for number in range(600))), "more than 500 headers"),
    "too large": (message(b"Subject: a\n", b"x" * 5_000_000 + b"\n"), "larger than"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_message_is_named_and_costs_no_other(name: str) -> None:
    bad, reason = BAD[name]
    found = decode(bad + FIRST, where="list.mbox")
    assert [row["cve_ids"][0] for row in found.tables["notice"]] == ["CVE-2024-3094"]
    (rejected,) = found.rejected
    assert rejected.reason.startswith("list.mbox, message 0: ")
    assert reason in rejected.reason


def test_deep_nesting_does_not_break_the_reader() -> None:
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (n, n) for n in range(3000))
    found = decode(message(b"Subject: a\n" + deep) + FIRST, where="w")
    assert [row["message_id"] for row in found.tables["notice"]] == ["20240329155126.kjjfduxw2yrlxgzm@example.test"]
    assert "more than 50 parts of parts" in found.rejected[0].reason


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{}", b"Subject: a\n\nb"])
def test_another_document_is_refused(raw: bytes) -> None:
    with pytest.raises(FeedFormatError):
        decode(raw, where="w")
