"""Every version and encoding becomes the same model, in every charset; purls are read strictly."""

from __future__ import annotations

import codecs
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from suture.sourcing.sbom import purls
from suture.sourcing.sbom.model import Hash, Sbom
from suture.sourcing.sbom.reading import read_bytes
from tests.unit.sourcing.sbom.documents import CYCLONEDX, PARTS, ROOT, SPDX, Part, cyclonedx, spdx2

CHARSETS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
}


def parts_of(sbom: Sbom) -> list[tuple[str, str, tuple[Hash, ...], str]]:
    assert sbom.root is not None
    return sorted(
        (str(one.purl), one.version, one.hashes, one.supplier) for one in (sbom.root, *sbom.components)
    )  # fmt: skip


def expected(parts: tuple[Part, ...]) -> list[tuple[str, str, tuple[Hash, ...], str]]:
    return sorted(
        (
            str(purls.parse(part.purl)),
            part.version,
            (Hash("sha256", part.sha256),) if part.sha256 else (),
            part.supplier,
        )
        for part in parts
    )


@pytest.mark.parametrize(("version", "encoding"), CYCLONEDX)
def test_every_cyclonedx(version: str, encoding: str) -> None:
    found = read_bytes(cyclonedx(version, encoding), "bom")
    assert (found.format, found.spec_version, found.encoding, found.flaws) == ("CycloneDX", version, encoding, ())
    assert parts_of(found) == expected((ROOT, *PARTS))
    assert found.root is not None
    assert (found.root.name, found.edition, found.root.licences) == ("billing", 3, ("MIT",))
    assert found.serial == "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"
    assert {(one.source, one.kind) for one in found.relationships} == {("ref-0", "depends_on")}
    assert len(found.relationships) == len(PARTS)


@pytest.mark.parametrize(("version", "encoding"), SPDX)
def test_every_spdx_2(version: str, encoding: str) -> None:
    found = read_bytes(spdx2(version, encoding, files=(("lib/a.py", "1" * 40),)), "bom")
    assert (found.format, found.spec_version, found.encoding, found.flaws) == ("SPDX", version, encoding, ())
    assert parts_of(found) == expected((ROOT, *PARTS))
    assert [(one.path, one.hashes) for one in found.files] == [("./lib/a.py", (Hash("sha1", "1" * 40),))]
    assert sum(one.kind == "depends_on" for one in found.relationships) == len(PARTS)
    assert found.serial == "https://example.org/billing-2"


@pytest.mark.parametrize("charset", CHARSETS)
@pytest.mark.parametrize("lines", ["\n", "\r\n"])
def test_every_charset_and_line_end_gives_the_same(charset: str, lines: str) -> None:
    for raw in (
        cyclonedx("1.6", "json"),
        cyclonedx("1.6", "xml"),
        *(spdx2("2.3", encoding) for _v, encoding in SPDX[5:]),
    ):
        text = raw.decode()
        plain = read_bytes(raw, "bom")
        changed = read_bytes(CHARSETS[charset] + text.replace("\n", lines).encode(charset), "bom")
        assert replace(changed, charset="", created="") == replace(plain, charset="", created="")
        assert changed.flaws == plain.flaws


def test_utf_16_without_a_mark_is_seen_by_its_zeros() -> None:
    found = read_bytes(cyclonedx("1.5", "json").decode().encode("utf-16-be"), "bom")
    assert found.charset == "utf-16-be"


def test_spdx_3_in_json_ld() -> None:
    graph = [
        {"type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-03-04T05:06:07Z", "createdBy": ["urn:acme"]},
        {"type": "Organization", "spdxId": "urn:acme", "creationInfo": "_:c", "name": "Acme"},
        {"type": "SpdxDocument", "spdxId": "urn:doc", "creationInfo": "_:c", "rootElement": ["urn:sbom"]},
        {"type": "software_Sbom", "spdxId": "urn:sbom", "creationInfo": "_:c", "rootElement": ["urn:root"]},
        {
            "type": "software_Package", "spdxId": "urn:root", "name": "billing", "software_packageVersion": "2.0.0",
            "software_packageUrl": "pkg:pypi/billing@2.0.0", "suppliedBy": "urn:acme",
            "verifiedUsing": [{"type": "Hash", "algorithm": "sha256", "hashValue": "a" * 64}],
        },
        {"type": "software_Package", "spdxId": "urn:dep", "name": "requests", "software_packageVersion": "2.31.0",
         "externalIdentifier": [{"externalIdentifierType": "packageUrl", "identifier": "pkg:pypi/requests@2.31.0"}]},
        {"type": "Relationship", "spdxId": "urn:r", "from": "urn:root", "relationshipType": "dependsOn", "to": ["urn:dep"]},
        {"type": "Relationship", "spdxId": "urn:l", "from": "urn:root", "relationshipType": "hasDeclaredLicense", "to": ["urn:mit"]},
        {"type": "simplelicensing_LicenseExpression", "spdxId": "urn:mit", "simplelicensing_licenseExpression": "MIT"},
    ]  # fmt: skip
    context = "https://spdx.org/rdf/3.0.1/spdx-context.jsonld"
    found = read_bytes(json.dumps({"@context": context, "@graph": graph}).encode(), "bom")
    assert found.root is not None
    assert (found.spec_version, found.encoding, found.title) == ("3.0.1", "json-ld", "pkg:pypi/billing 2.0.0")
    assert (found.root.supplier, found.root.licences, found.root.hashes) == (
        "Acme",
        ("MIT",),
        (Hash("sha256", "a" * 64),),
    )
    assert [str(one.purl) for one in found.components] == ["pkg:pypi/requests@2.31.0"]
    assert [flaw.kind for flaw in found.flaws] == ["schema_unchecked"]


NAMES = st.from_regex(r"[a-z][a-z0-9]{2,12}(-[a-z]{2,5})?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3})?", fullmatch=True)
SUPPLIERS = st.sampled_from(["", "Acme", "Größe & Söhne <x>", "株式会社", 'O\'Neil "quoted"'])
PART = st.builds(
    lambda name, version, sha, supplier: Part(f"pkg:pypi/{name}@{version}", sha, supplier),
    NAMES, VERSIONS, st.sampled_from(["", "0" * 64, "f" * 64]), SUPPLIERS,
)  # fmt: skip


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PART, min_size=1, max_size=6, unique_by=lambda part: part.purl))
def test_what_the_libraries_write_is_read_back_as_it_was_meant(parts: list[Part]) -> None:
    root, *others = parts
    for raw in (
        cyclonedx("1.6", "json", root, tuple(others)), cyclonedx("1.4", "xml", root, tuple(others)),
        *(spdx2("2.3", encoding, root, tuple(others)) for encoding in ("json", "yaml", "xml", "tag-value", "rdf-xml")),
    ):  # fmt: skip
        found = read_bytes(raw, "bom")
        assert parts_of(found) == expected(tuple(parts)), found.encoding
        assert [flaw.sentence for flaw in found.flaws] == [], found.encoding


TEXTS = st.text(
    st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp", "Cf", "Co")), min_size=1, max_size=12
).filter(
    lambda text: (
        all(part.strip() and part.isprintable() for part in text.split("/")) and not {".", ".."} & set(text.split("/"))
    )
)


@given(
    TEXTS,
    TEXTS.filter(lambda text: "/" not in text),
    TEXTS,
    st.dictionaries(NAMES.filter(str.isalnum), TEXTS, max_size=3),
)
def test_a_purl_is_read_back_as_it_was_built(namespace: str, name: str, version: str, pairs: dict[str, str]) -> None:
    built = purls.build("generic", namespace, name, version, pairs.items())
    assert purls.parse(str(built)) == built


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("pkg:PYPI/Django_package@1.11.1.dev1", "pkg:pypi/django-package@1.11.1.dev1"),
        ("pkg:npm/@babel/core@7.0.0#/a/./b/", "pkg:npm/%40babel/core@7.0.0#a/b"),
        ("pkg://GitHub/Package-URL/purl-Spec@244fd47", "pkg:github/package-url/purl-spec@244fd47"),
        ("pkg:deb/debian/attr@1:2.4.47-2+b1?arch=amd64", "pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64"),
        ("pkg:maven/a.b/c@1?type=zip&classifier=dist&empty=", "pkg:maven/a.b/c@1?classifier=dist&type=zip"),
        ("pkg:git/codeberg.org/forgejo/forgejo@a72d", "pkg:git/codeberg.org/forgejo/forgejo@a72d"),
    ],
)
def test_spellings_of_a_purl_become_one(text: str, canonical: str) -> None:
    assert str(purls.parse(text)) == canonical


@pytest.mark.parametrize(
    "text",
    [
        "EnterpriseLibrary.Common@6.0",
        "pkg:nope",
        "pkg:n&g/x@1",
        "pkg:3x/y@1",
        "pkg:maven/io@1",
        "pkg:maven/@1.3.4",
        "pkg%3Amaven/a/io",
        "pkg:npm/x@1?in%20production=true",
        "pkg:npm/x@1?a=1&a=2",
        "pkg:npm/x@1?a",
        "pkg:pypi/ns/x@1",
        "pkg:npm/a%2",
        "pkg:npm/a%zz",
        "pkg:npm/a b",
        "pkg:npm/a\x00",
        "pkg:npm/a%00b",
        "pkg:generic/a%2Fb/c",
        "pkg:npm/%ff",
        "pkg:cpan/GDT/URI::PackageURL",
        "pkg:swift/github.com/Alamofire/@5.4.3",
        "pkg:julia/Dates@1",
        "pkg:npm/" + "x" * 5000,
    ],
)
def test_what_is_no_purl_is_refused(text: str) -> None:
    with pytest.raises(purls.BadPurlError):
        purls.parse(text)
