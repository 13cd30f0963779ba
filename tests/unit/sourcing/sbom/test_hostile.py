"""Documents that mean harm, or are broken: refused with their place, or read with the flaw named; never slow."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from suture.sourcing.sbom import cyclonedx_schema, text
from suture.sourcing.sbom.model import Fault, UnreadableSbomError
from suture.sourcing.sbom.reading import read_bytes
from tests.unit.sourcing.sbom.documents import cyclonedx, spdx2

DTD = '<!DOCTYPE bom [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
BOM = '<bom xmlns="http://cyclonedx.org/schema/bom/1.5">{}</bom>'


def bom(**changes: Any) -> bytes:
    tree = json.loads(cyclonedx("1.5", "json"))
    return json.dumps({**tree, **changes}).encode()


def kinds(raw: bytes) -> list[str]:
    return [flaw.kind for flaw in read_bytes(raw, "bom").flaws]


@pytest.mark.parametrize(
    ("raw", "fault", "words"),
    [
        (b"", Fault.MALFORMED, "empty"),
        (b"hello", Fault.MALFORMED, "neither CycloneDX nor SPDX"),
        (b"{\"bomFormat\": \"CycloneDX\",\n \"specVersion\": }", Fault.MALFORMED, "line 2"),
        (b"{}", Fault.MALFORMED, "neither bomFormat"),
        (b'{"bomFormat":"CycloneDX","specVersion":"1.5","specVersion":"1.4"}', Fault.MALFORMED, "stands twice"),
        (b'{"bomFormat":"CycloneDX","specVersion":"1.5","version":NaN}', Fault.MALFORMED, "NaN"),
        (b'{"bomFormat":"CycloneDX","specVersion":"9.9"}', Fault.UNSUPPORTED, "CycloneDX 9.9"),
        (b'{"bomFormat":"CycloneDX","specVersion":"1.1"}', Fault.UNSUPPORTED, "CycloneDX 1.1"),
        (b'{"spdxVersion":"SPDX-1.2"}', Fault.UNSUPPORTED, "SPDX-1.2"),
        (b'{"@context":"https://evil.example/c","@graph":[]}', Fault.UNSUPPORTED, "none is fetched"),
        (b'{"a":' * 150 + b"1" + b"}" * 150, Fault.TOO_LARGE, "nested"),
        (b"[" * 100_000, Fault.MALFORMED, "neither CycloneDX nor SPDX"),
        (b'{"a":' + b"[" * 100_000, Fault.TOO_LARGE, "nested"),
        (b'{"bomFormat":"CycloneDX","specVersion":"1.5","version":' + b"1" * 5000 + b"}", Fault.TOO_LARGE, "JSON"),
        (b"\x0a\x031.5\x10\x01", Fault.UNSUPPORTED, "protobuf"),
        (b"\x1f\x8b\x08\x00", Fault.UNSUPPORTED, "compressed"),
        (b"{\"name\": \"\xff\xfe\"}", Fault.MALFORMED, "byte 10"),
        (BOM.format("").replace("1.5", "2.0").encode(), Fault.UNSUPPORTED, "CycloneDX 2.0"),
        (b"<bom/>", Fault.MALFORMED, "neither CycloneDX nor SPDX"),
        (b"<bom", Fault.MALFORMED, "line 1"),
        ((DTD + BOM.format("<metadata>&b;</metadata>")).encode(), Fault.MALFORMED, "document type or entities"),
        (b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>', Fault.MALFORMED, "document type or entities"),
        (BOM.format("<a>" * 150 + "</a>" * 150).encode(), Fault.TOO_LARGE, "nested"),
        (b"spdxVersion: &a SPDX-2.3\nname: *a\n", Fault.MALFORMED, "line 2"),
        (b"spdxVersion: SPDX-2.3\nspdxVersion: SPDX-2.2\n", Fault.MALFORMED, "stands twice"),
        (b"spdxVersion: !!python/object/apply:os.system ['true']\n", Fault.MALFORMED, "YAML"),
        (b"spdxVersion: SPDX-2.3\na: " + b"[" * 200 + b"]" * 200, Fault.TOO_LARGE, "nested"),
        (b"SPDXVersion: SPDX-2.3\nNonsense: x\n", Fault.MALFORMED, "errors"),
        (bom(components={"a": 1}), Fault.MALFORMED, "$.components"),
        (bom(components=[{"type": "library"}]), Fault.MALFORMED, "$.components[0]"),
        (bom(components=[{"type": "library", "name": ["x"]}]), Fault.MALFORMED, "$.components[0].name"),
        (bom(components=[{"type": "library", "name": "x" * 5000}]), Fault.TOO_LARGE, "$.components[0].name"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_why_and_where(raw: bytes, fault: Fault, words: str) -> None:
    with pytest.raises(UnreadableSbomError) as caught:
        read_bytes(raw, "bom")
    assert (caught.value.fault, words in caught.value.message) == (fault, True), caught.value.message


def test_a_document_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MAX_BYTES", 100)
    with pytest.raises(UnreadableSbomError, match="more than 100 bytes"):
        read_bytes(bom(), "bom")


LIBRARY = {"type": "library", "name": "x", "bom-ref": "x"}


@pytest.mark.parametrize(
    ("raw", "kind", "place"),
    [
        (bom(components=[LIBRARY, {**LIBRARY, "name": "y"}], dependencies=[]), "duplicate_ref", "$.components[1]"),
        (bom(dependencies=[{"ref": "ref-0", "dependsOn": ["nowhere"]}]), "dangling_reference", "$.dependencies[0]"),
        (
            bom(dependencies=[{"ref": "ref-1", "dependsOn": ["ref-2"]}, {"ref": "ref-2", "dependsOn": ["ref-1"]}]),
            "dependency_cycle",
            None,
        ),
        (bom(serialNumber="urn:uuid:1234"), "serial_malformed", "$.serialNumber"),
        (bom(version=0), "serial_malformed", "$.version"),
        (bom(nonsense=1), "schema_violation", "$"),
        (bom(metadata={}, dependencies=[]), "root_missing", "$.metadata"),
        (
            bom(components=[{**LIBRARY, "purl": "pkg:npm/x@1?y"}], dependencies=[]),
            "purl_malformed",
            "$.components[0].purl",
        ),
        (
            bom(components=[{**LIBRARY, "purl": "pkg:npm/other@1"}], dependencies=[]),
            "purl_contradicts",
            "$.components[0]",
        ),
        (
            bom(components=[{**LIBRARY, "version": "2", "purl": "pkg:npm/x@1"}], dependencies=[]),
            "purl_contradicts",
            "$.components[0]",
        ),
        (
            bom(components=[{**LIBRARY, "name": "x\u202ey\u0007"}], dependencies=[]),
            "control_character",
            "$.components[0].name",
        ),
        (
            bom(components=[{**LIBRARY, "hashes": [{"alg": "SHA-256", "content": "abcd"}]}], dependencies=[]),
            "hash_malformed",
            "$.components[0].hashes[0]",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(raw: bytes, kind: str, place: str | None) -> None:
    found = {flaw.kind: flaw for flaw in read_bytes(raw, "bom").flaws}
    assert kind in found
    assert place is None or found[kind].place == place


def test_places_in_xml_and_tag_value_are_lines() -> None:
    raw = cyclonedx("1.5", "xml").decode().replace("pkg:pypi/requests@2.31.0", "pkg:pypi/ns/requests@2.31.0")
    line = next(
        number for number, text in enumerate(raw.splitlines(), 1) if 'bom-ref="ref-1"' in text and "<component" in text
    )
    flaw = next(flaw for flaw in read_bytes(raw.encode(), "bom").flaws if flaw.kind == "purl_malformed")
    assert flaw.place == f"line {line}.purl"
    tagged = spdx2("2.3", "tag-value").decode()
    found = read_bytes(tagged.encode(), "bom")
    line = next(number for number, text in enumerate(tagged.splitlines(), 1) if text == "SPDXID: SPDXRef-2")
    assert next(one for one in found.components if one.ref == "SPDXRef-2").place == f"line {line}"


def test_text_that_is_kept_has_no_control_characters() -> None:
    found = read_bytes(bom(components=[{**LIBRARY, "name": "x\u202ey\u0007\n<b>"}], dependencies=[]), "bom")
    assert found.components[0].name == "x\ufffdy\ufffd <b>"


def test_a_flood_of_flaws_is_counted_not_listed() -> None:
    many = [{"type": "library", "name": f"x{number}", "purl": "pkg:bad"} for number in range(500)]
    flaws = [
        flaw for flaw in read_bytes(bom(components=many, dependencies=[]), "bom").flaws if flaw.kind == "purl_malformed"
    ]
    assert len(flaws) == 21
    assert "480 more" in flaws[-1].sentence


def test_deep_nesting_of_components_is_flattened() -> None:
    inner: dict[str, Any] = {"type": "library", "name": "c30", "bom-ref": "c30"}
    for number in range(29, -1, -1):
        inner = {"type": "library", "name": f"c{number}", "bom-ref": f"c{number}", "components": [inner]}
    found = read_bytes(bom(components=[inner], dependencies=[]), "bom")
    assert [one.name for one in found.components] == [f"c{number}" for number in range(31)]
    assert sum(one.kind == "contains" for one in found.relationships) == 30


def test_a_long_chain_of_dependencies_is_walked_without_recursion() -> None:
    parts = [{"type": "library", "name": f"x{n}", "bom-ref": f"r{n}"} for n in range(5000)]
    chain = [{"ref": f"r{n}", "dependsOn": [f"r{n + 1}"]} for n in range(4999)] + [
        {"ref": "r4999", "dependsOn": ["r0"]}
    ]
    started = time.process_time()
    found = read_bytes(bom(components=parts, dependencies=chain), "bom")
    assert [flaw.kind for flaw in found.flaws] == ["dependency_cycle"]
    assert "5000 components" in found.flaws[0].sentence
    assert time.process_time() - started < 60


def test_links_are_checked_in_linear_time() -> None:
    """jsonschema's own check of an IRI took seconds for one of these."""
    tree = json.loads(cyclonedx("1.5", "json"))
    tree["components"][0]["externalReferences"] = [{"type": "website", "url": "https://example.org/" + "a(b" * 3000}]
    started = time.process_time()
    assert list(cyclonedx_schema.json_errors(tree, "1.5")) == []
    tree["components"][0]["externalReferences"][0]["url"] = "no link"
    assert [place for place, _why in cyclonedx_schema.json_errors(tree, "1.5")]
    assert time.process_time() - started < 10
