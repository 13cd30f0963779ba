"""The compiled reader takes most records, and each only when Python makes the same bytes of it and rejects no part."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.feeds import cve_rows
from tests.unit.feeds.both_ways import FULL, REAL, SAMPLE, TEXT, by_python, odd, odd_records, taken, takes

DEEP = 45  # what may be nested below a field of a description, for 50 in all

# What may stand in place of a value, as JSON or what is none.
TOKENS = [
    "null", "true", "false", "0", "-0", "-1", "00", "01", "1.", ".5", "-", "+1", "1e0", "1E1", "1e400", "-1e400", "NaN",
    "Infinity", "9.8", "9.80", "9.85", "0.0", "-0.0", "10.0", "10.1", "11", "100", "999999999999999999", "9" * 19,
    "1.0000000000000001", '""', '" "', '" a"', '"a "', '"a  b"', '"a b"', '"a\tb"', '"a\\tb"', '"a\\nb"', '"a\x7fb"',
    '"a\\u007f"', '"\\u0000"', '"\\\\u0000"', '"\\u0001"', '"a\x00"', '"a\x1f"', '"\\ud800"', '"\\udc00x"',
    '"\\ud83d\\ude00"', '"\\u00fc\\u20AC"', '"ü"', '"€😀"', '"\u2028"', '"\u200b"', '"\ufeff"', '"\\u003a"', '":"',
    '"\\/\\"\\\\\\b\\f\\r"', '"\\x"', '"\\u12"', '"\\u00g0"', '"a', "'a'", "[]", "{}", "[[]]", "[{}]", "[null]", '[""]',
    '[{"": 1}]', '{"a": 1, "a": 1}', '{"a": 1, "\\u0061": 1}', '{"a": 1,}', "[1,]", '{"type": "kev"}',
    '{"type": "SSVC", "content": {}}', '{"content": {"text": "High"}}', '{"vectorString": "V"}',
    '"2024-02-29T00:00:00Z"', '"2023-02-29T00:00:00Z"', '"1900-02-29T00:00:00"', '"2000-02-29T00:00:00"',
    '"0000-01-01T00:00:00Z"', '"0001-01-01T00:00:00Z"', '"9999-12-31T23:59:59.999999Z"', '"2024-04-31T00:00:00Z"',
    '"2024-13-01T00:00:00Z"', '"2024-01-01T24:00:00Z"', '"2024-01-01T23:60:00Z"', '"2024-01-01T23:59:60Z"',
    '"2024-01-01t00:00:00z"', '"2024-01-01 00:00:00"', '"2024-01-01T00:00:00+02:00"', '"2024-01-01T00:00:00-00:00"',
    '"2024-01-01T00:00Z"', '"2024-01-01"', '"2024-00-01"',
    '"2024-01-00"', '"2024-01-00T00:00:00Z"', '"2024-1-1"', '"2024-02-30"', '"2024-01-01x"', '"20240101"',
    '"2024-W01-1"', '"0001-01-01T00:00:00+14:00"',
    *(f'"2024-01-01T00:00:00.{"123456789"[:count]}Z"' for count in range(10)), '"2024-01-01T00:00:00,123Z"',
    *(f'"{"x" * count}"' for count in (40, 41, 100, 101, 200, 201, 500, 501)), '"x y ' + "z" * 40 + '"',
    *(f'"{known}"' for known in (
        "REJECTED", "rejected", "PUBLISHED", "affected", "unknown", "Affected", "none", "yes", "ssvc", "kev", "CISA",
        "cisa-adp", "5.", "5", "CVE-2024-0001", "CVE-2024-123", "CVE-0000-12345678901234567890",
    )),
    "[" * 44 + "]" * 44, "[" * 70 + "]" * 70, '{"a":' * 70 + "1" + "}" * 70,
]  # fmt: skip
BYTES = [
    *(bytes([code]) for code in (*b' \t\r\n"\\{}[]:,0-.eEuTZn/', 0, 1, 0x0B, 0x1F, 0x7F, 0x80, 0xC3, 0xFF)), b"\\u0000",
    b"\\ud800", b"\\u0061", b"\\\\", b'\\"', b"  ", "\u00a0".encode(), "\ufeff".encode(), "é".encode(), b'"a":1,',
    b"null",
]  # fmt: skip


def test_real_records_are_taken_most_of_the_time_and_give_the_same() -> None:
    assert len(REAL) == 62
    assert sum(taken(REAL)) >= 50
    assert taken([SAMPLE, TEXT.encode()]) == [True, True]
    for indent in (None, 0, "\t"):
        assert sum(taken([json.dumps(json.loads(raw), indent=indent).encode() for raw in REAL])) >= 50

PIECES = [*BYTES, *(token.encode() for token in TOKENS)]


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from places(node[key])


def test_any_value_in_any_place_gives_the_same() -> None:
    texts = []
    found = copy.deepcopy(FULL)
    for node, key in places(found):
        before, node[key] = node[key], "@@"
        text = json.dumps(found, ensure_ascii=False)
        texts += [text.replace('"@@"', token) for token in TOKENS]
        node[key] = before
        if isinstance(node, dict):  # without it; with it twice; under another name
            del node[key]
            texts.append(json.dumps(found, ensure_ascii=False))
            node[key] = before
            node["@@"] = before
            text = json.dumps(found, ensure_ascii=False)
            names = (f'"{key}"', f'"\\u{ord(key[0]):04x}{key[1:]}"', '"x"', '"ü"', '"\x01"')
            texts += [text.replace('"@@"', name) for name in names]
            del node["@@"]
    which = taken([text.encode("utf-8", "surrogatepass") for text in texts])
    assert len(texts) > 9000
    assert 0.1 < sum(which) / len(which) < 0.9


def test_any_byte_changed_anywhere_gives_the_same() -> None:
    raw = TEXT.encode()
    changed = [raw[: at + more] + raw[at + 1 - more :] for at in range(len(raw)) for more in (0, 1)]
    # Within a word all places are alike: some of them will do.
    telling = [at for at in range(len(raw) + 1) if not (raw[at - 1 : at + 2].isalpha() and at % 8)]
    changed += [raw[:at] + new + raw[at + gone :] for at in telling for new in BYTES for gone in (0, 1)]
    changed += [raw[:at] for at in range(len(raw))]
    share = sum(taken(changed)) / len(changed)
    assert 0.05 < share < 0.9


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([TEXT.encode(), SAMPLE, *REAL]),
    st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 30), st.floats(0, 1), st.sampled_from(PIECES)),
        max_size=4,
    ),
)
def test_a_record_changed_anywhere_gives_the_same_both_ways(
    raw: bytes, edits: list[tuple[float, int, float, bytes]]
) -> None:
    for place, length, source, token in edits:
        at, other = int(place * len(raw)), int(source * len(raw))
        taken([raw[:at] + raw[at + length :], raw[:at] + raw[other : other + length] + raw[at:]])
        raw = raw[:at] + token + raw[at + (length if length > 25 else 0) :]
    taken([raw])


# What stands in the record; in its place: what is left to Python, and what is beside it and taken.
CAREFUL: list[tuple[str, str, str]] = [
    ('"CVE_RECORD"', '"CVE_Record"', '"CVE_RECORD" '), ('"5.1"', '"4.0"', '"5.9.9"'), ('"5.1"', '"51"', '"5."'),
    ('"dataType": "CVE_RECORD", ', "", '"datatype": "", "dataType": "CVE_RECORD", '), ('"5.1"', '"5.\\u0031"', '"5.~"'),
    ("CVE-2024-1234", "CVE-2024-123", "CVE-2024-1234567890123456789"),
    ("CVE-2024-1234", "CVE-2024-" + "1" * 20, "CVE-2024-0000"), ("CVE-2024-1234", "cve-2024-1234", "CVE-0000-1234"),
    ("CVE-2024-1234", "CVE-2024-12a4", "CVE-2024-00001"), ('"PUBLISHED"', '"published"', '"REJECTED"'),
    ('"PUBLISHED"', '"RESERVED"', ' "PUBLISHED"'), ('"state": "PUBLISHED", ', "", '"x": 1, "state": "PUBLISHED", '),
    ('"cna": {', '"CNA": {', '"x": {}, "cna": {'), ('"giver"', "null", '""'),
    ('"giver"', f'"{"x" * 201}"', f'"{"x" * 200}"'), ('"acme"', "null", '""'), ('"acme"', '"acmé"', '"acme "'),
    ('"acme"', '"a\\"b"', '"  a  b"'), ('"acme"', f'"{"x" * 201}"', f'"{"x" * 200}"'),
    ('"lang": "de"', '"lang": "de", "lang": "en"', '"lang": "de", "lung": "en"'),
    ('"lang": "de"', '"language": 1, "language": 2', '"language": 1, "languages": 2, "languageX": 3'),
    ('"lang": "de"', '"a": {}, "b": {"c": 1, "d": {"c": 1}, "c": 2}',
     '"a": {"a": 1}, "b": {"c": 1, "d": {"c": 1}}, "c": 2'),
    ('"lang": "de"', '"": 1, "": 1', '"": 1, "\x7f": 1, "é": 2, "è": 2'),
    ('"serial": 7', '"serial": 7, "serial": 7', '"serial": 7, "Serial": 7'),
    ('"lang": "de"', '"l\\u0061ng": "de"', '"lang": "d\\u0065"'), ('"lang": "de"', '"l\\/": 1', '"l/": "\\/"'),
    ('"de"', "[" * (DEEP + 1) + "]" * (DEEP + 1), "[" * DEEP + "]" * DEEP),
    ('"de"', '{"a":' * 46 + "1" + "}" * 46, '{"a":' * 45 + "1" + "}" * 45),
    ('"lang": "de"', ", ".join(f'"{n}": 1' for n in range(100)), ", ".join(f'"{n}": 1' for n in range(99))),
    ('"de"', "9" * 19, "9" * 18), ('"de"', "1e5", "-1.5"), ('"de"', "01", "[0, -0, 0.0]"), ('"de"', "1.", "1.0"),
    ('"de"', "-", "-1"), ('"de"', "NaN", "null"), ('"de"', "True", "true"), ('"de"', "fals", "false"),
    ('"de"', "[1,]", "[1 , [ ] , { } ]"), ('"de"', '{"a":1,}', '{"a" : 1}'), ('"de"', '"d\te"', '"d\\te"'),
    ('"de"', '"\x01234567"', '"\x7f1234567"'), ('"de"', '"1234567\x1f"', '"1234567 "'),
    ('"de"', '"\\u0000"', '"\\\\u0000"'), ('"de"', '"\\ud83d\\ude00"', '"\\ud7ff\\ue000😀"'),
    ('"de"', '"\\x64"', '"\\/"'), ('"de"', '"\\u00"', '"\\u00fF"'), ('"Über', '"\\ud800', '"\\u00dc\\b\\f\\/\\\\\\"'),
    ('"Über\\nall"', "5", "null"), ('"another"', '"änother"', '""'), ('"another"', f'"{"x" * 201}"', f'"{"x" * 200}"'),
    ('"title": "another"', '"title": "a\\tb"', '"title": "a\\tb", "providerMetadata": {"shortName": "x"}'),
    ('"another"', "[]", "null"),
    ('"2024-02-29T23:59:59.123Z"', '"2023-02-29T23:59:59.123Z"', '"2023-02-28T23:59:59.123Z"'),
    ('2024-02-29T23', '1900-02-29T23', '2000-02-29T23'), ("02-29T23", "02-30T23", "02-28T00"),
    ("2024-02-29T23", "2024-04-31T23", "2024-03-31T23"), ("2024-02-29T23", "2024-13-01T23", "2024-12-01T23"),
    ("2024-02-29T23", "0000-02-29T23", "0001-02-28T23"), ("2024-02-29T23", "2024-02-29T24", "9999-12-31T23"),
    ("23:59:59.123Z", "23:60:00.123Z", "00:00:00"), ("59.123Z", "60.123Z", "59.999Z"),
    ("59.123Z", "59.12Z", "59.123456"), ("59.123Z", "59.1234Z", "59Z"), ("59.123Z", "59.1234567Z", "59.000001Z"),
    ("59.123Z", "59,123Z", "59.000Z"), ("59.123Z", "59+01:00", "59"), ("59.123Z", "59z", "59.100Z"),
    ("29T23", "29t23", "28T23"), ("29T23", "29 23", "27T23"), ('"2025-01-02T03:04:05"', '""', "null"),
    ('"2025-01-02T03:04:05"', '"2025-01-02"', '"2025-01-02T00:00:00"'), ('"CWE-79"', "79", "null"),
    ('"CWE-79"', '"ÇWE"', '""'), ('"CWE-79"', f'"{"x" * 101}"', f'"{"x" * 100}"'), ('"CWE-79"', '"a\\nb"', '" a  b "'),
    ('"problemTypes": [', '"problemTypes": null, "x": [', '"problemTypes": [], "x": ['),
    ('"descriptions": [{"c', '"descriptions": null, "x": [{"c', '"x": [{"c'),
    ('"metrics": [{"c', '"metrics": null, "x": [{"c', '"metrics": [], "x": [{"c'),
    ('"cvssV3_1": {', '"cvssV3_1": [], "x": {', '"cvssV3_1": null, "x": {'),
    ('"cvssV2_0": {"baseScore": 5.0}', '"cvssV2_0": {"baseScore": null}',
     '"cvssV2_0": {"baseScore": 5, "vectorString": ""}'),
    ('"vectorString": "V"', '"vectorString": null', '"vectorString": ""'), ('"V"', '"Ⅴ"', f'"{"x" * 500}"'),
    ('"V"', f'"{"x" * 501}"', '" "'), ("9.8", "9.85", "10.0"), ("9.8", "10.1", "0"), ("9.8", "9.8e0", "null"),
    ("9.8", '"9.8"', "10"), ("9.8", "true", "0.0"), ("9.8", "-1", "1.0"), ("9.8", "-0", "0.9"), ("9.8", "09.8", "9.9"),
    ("9.8", "1e400", "1"), ('"CRITICAL"', "5", "null"), ('"CRITICAL"', '"KRITISCH\\u0021"', '""'),
    ('"CRITICAL"', f'"{"x" * 101}"', f'"{"x" * 100}"'), ('"type": "ssvc"', '"type": "SSVC"', '"type" : "ssvc"'),
    ('"type": "ssvc", ', "", '"x": 1, "type": "ssvc", '),
    ('{"type": "kev"', '{"type": "cvss"', '{"t": 1, "type": "kev"'),
    ('"other": {"type": "kev"', '"other": {"x": {}}, "x": {"type": "kev"', '"other": null, "x": {"type": "kev"'),
    ('"poc"', '"PoC"', '"active"'), ('"Exploitation"', '"exploitation"', ' "Exploitation"'),
    ('{"Automatable": "no"}, ', "", '{"Automatable": "no"}, {}, '),
    ('{"Automatable": "no"}, ', '{"Automatable": "no", "Other": 1}, ',
     '{"Automatable": "no"}, {"Automatable": "yes"}, '),
    ('"total"', "null", '"partial"'), ('"2025-03-01T00:00:00.123456Z"', '"yesterday"', "null"),
    ('"2024-03-01"', "null", '"2024-03-01T99"'), ('"2024-03-01"', '"2024-3-1"', '"2024-02-29"'),
    ('"2024-03-01"', '"2023-02-29"', f'"2024-03-01{"x" * 30}"'),
    ('"2024-03-01"', f'"2024-03-01{"x" * 31}"', '"0001-01-01"'), ('"2024-03-01"', '"20240301"', '"9999-12-31"'),
    ('"dateAdded": "2024-03-01", ', "", '"x": {}, "dateAdded": "2024-03-01", '),
    ('"affected": [{"vendor": "o', '"affected": {}, "x": [{"vendor": "o', '"affected": null, "x": [{"vendor": "o'),
    ('"anvil 2"', '"anvil  2"', '"a n v i l"'), ('"anvil 2"', '" anvil"', '"anvil"'), ('"anvil 2"', '"anvil "', "null"),
    ('"anvil 2"', '"anvil\\t2"', '"anvil\'2"'), ('"anvil 2"', '"anvil\x7f2"', '"anvil~2"'),
    ('"anvil 2"', '"änvil"', '"\x21"'), ('"anvil 2"', '""', '"x"'), ('"anvil 2"', f'"{"x" * 501}"', f'"{"x" * 500}"'),
    ('"anvil 2"', '" "', '"<&>"'), ('"nobodys"', "null", '"nobody"'), ('"https://example.org/a"', "[]", "null"),
    ('"unaffected"', '"UNAFFECTED"', "null"), ('"versions": []', '"versions": {}', '"versions": null'),
    ('"versions": []', '"versions": [null]', '"versions": [ ]'), ('"version": "2", ', "", '"x": 2, "version": "2", '),
    ('"version": "2"', '"version": 2', '"version": "0"'), ('"version": "2"', '"version": ""', '"version": "*"'),
    ('"2", "status": "affected"', '"2", "status": null', '"2", "status": "unknown"'),
    ('"2", "status": "affected"', '"2"', '"2", "x": 1, "status": "affected"'), ('"2.9"', '"2.9 "', "null"),
    ('"semver"', '"sem\\u0076er"', "null"), ('[{"at": "1.4", "status": "unknown"}]', "[]", "null"),
    ('"at": "1.4"', '"at": null', '"at": "1 4"'),
    ('"1.4", "status": "unknown"', '"1.4"', '"1.4", "status": "affected"'),
    ('"adp": [', '"adp": null, "x": [', '"adp": [], "x": ['),
    ('{"title": "another"', 'null, {"title": "another"', '{}, {"title": "another"'),
    ("02-29T23", "02-00T23", "02-01T23"), ("02-29T23", "00-29T23", "01-31T23"),
    ("24-02-29T23", "24-06-31T23", "24-06-30T23"), ("24-02-29T23", "24-09-31T23", "24-09-30T23"),
    ("24-02-29T23", "24-11-31T23", "24-10-31T23"), ("24-02-29T23", "2x-02-29T23", "24-07-31T23"),
    ("24-02-29T23", "24-02-2xT23", "24-08-31T23"), ("24-02-29T23", "24/02/29T23", "24-01-31T23"),
    ("T23:59", "T2x:59", "T20:09"), ("T23:59", "T23-59", "T09:00"), ("59:59.123", "59-59.123", "00:00.123"),
    ('"2024-03-01"', '"2024-03-00"', '"2024-02-01"'), ('"2024-03-01"', '"2024-06-31"', '"2024-06-30"'),
    ('"2024-03-01"', '"0000-03-01"', '"2000-02-29"'), ('"2024-03-01"', '"1900-02-29"', '"1900-02-28"'),
    ('"lang": "de"', '"a": 1 "lang": "de"', '"a": 1, "lang": "de"'), ('"de"', "[1 2]", "[1,2]"),
    ('"de"', '{"a" 1}', '{"a":1}'), ('"de"', "[1, 2}", "[1, [2]]"), ('"de"', '{"a": 1]', '{"a": [1]}'),
    ('"de"', "{1: 2}", '{"1": 2}'), ('"de"', "[,1]", "[[],1]"),
    ('"de"', '"\\udfff"', '"\\ue000"'), ('"de"', '"\\uDBFF"', '"\\uD7FF"'), ('"de"', '"\\uD800"', '"\\ud7ff"'),
    ('"product": "nobodys"', '"collectionURL": "nobodys"', '"packageName": "nobodys"'),
]  # fmt: skip


@pytest.mark.parametrize(("old", "unsure", "sure"), CAREFUL)
def test_each_unusual_thing_is_left_to_python_and_what_is_beside_it_is_not(old: str, unsure: str, sure: str) -> None:
    assert old in TEXT
    assert (takes(TEXT.replace(old, unsure, 1)), takes(TEXT.replace(old, sure, 1))) == (False, True)


def test_nothing_but_blanks_may_stand_around_a_record() -> None:
    assert takes(TEXT)
    assert takes(" \t\r\n" + TEXT + "\n\r\t ")
    around = [("\ufeff", ""), ("", "}"), ("", "\x00"), ("", " {}"), ("[", "]"), ("\x0b", ""), ("", "\u00a0"), ("", ",")]
    assert [takes(before + TEXT + after) for before, after in around] == [False] * len(around)
    others = [b"", b" ", b"<html>", b"[]", b"null", b"\xff" + TEXT.encode(), TEXT.encode("utf-16")]
    assert taken(others) == [False] * len(others)
    assert not takes(TEXT.replace("all", "\ud800"))


def test_as_many_products_and_versions_as_are_kept_are_taken_and_one_more_is_not() -> None:
    def many(cna: int, adp: int, *versions: int, state: str = "PUBLISHED") -> str:
        entry, version = {"vendor": "v", "product": "p"}, {"version": "1", "status": "affected"}
        first = [{**entry, "versions": [version] * count} for count in versions] + [entry] * (cna - len(versions))
        containers = {"cna": {"affected": first}, "adp": [{"affected": [{**entry, "vendor": "w"}] * adp}]}
        return json.dumps({**FULL, "cveMetadata": {"cveId": "CVE-2024-1234", "state": state}, "containers": containers})

    assert [takes(many(*counts)) for counts in ((1000, 0), (999, 1), (1, 999))] == [True] * 3
    assert [takes(many(*counts)) for counts in ((1001, 0), (1000, 1), (1, 1000))] == [False] * 3
    assert [takes(many(2, 2, *counts)) for counts in ((10_000,), (4000, 6000))] == [True] * 2
    assert [takes(many(2, 2, *counts)) for counts in ((10_001,), (4000, 6001))] == [False] * 2
    assert takes(many(1, 1, 10, state="REJECTED"))


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_whole_records_of_odd_values_are_taken_and_give_the_same(rand: random.Random) -> None:
    text = odd(rand)
    assert takes(text), text
    truth = by_python(text.encode(), b"d" * 32)
    assert truth == by_python(text.encode(), b"d" * 32, lambda raw, digest, where: cve_rows._strict(raw, digest, where))


def test_many_whole_records_of_odd_values_are_taken_and_give_the_same() -> None:
    raws = odd_records(2000)
    assert [raw for raw, took in zip(raws, taken(raws), strict=True) if not took] == []
    assert all(len({raw.count(mark) > 1 for raw in raws}) == 2 for mark in (b'"kev"', b'"ssvc"', b'"vendor"', b"acme"))
