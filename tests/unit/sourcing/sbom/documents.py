"""SBOMs made by the libraries of their formats, from one small description, in every version and encoding that is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO, StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.contact import OrganizationalEntity
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from spdx_tools.spdx import model as spdx
from spdx_tools.spdx.writer.json import json_writer
from spdx_tools.spdx.writer.rdf import rdf_writer
from spdx_tools.spdx.writer.tagvalue import tagvalue_writer
from spdx_tools.spdx.writer.xml import xml_writer
from spdx_tools.spdx.writer.yaml import yaml_writer

CYCLONEDX = [
    (version, encoding) for version in ("1.2", "1.3", "1.4", "1.5", "1.6", "1.7") for encoding in ("json", "xml")
]
SPDX = [
    (version, encoding) for version in ("2.2", "2.3") for encoding in ("json", "yaml", "xml", "tag-value", "rdf-xml")
]
SERIAL = UUID("3e671687-395b-41f5-a30f-a58921a69b79")
MADE = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass(frozen=True)
class Part:
    """One component: purl with its version; sha256 '' for none."""

    purl: str
    sha256: str = ""
    supplier: str = ""
    licence: str = ""

    @property
    def name(self) -> str:
        return PackageURL.from_string(self.purl).name

    @property
    def version(self) -> str:
        return PackageURL.from_string(self.purl).version or ""

    def moved(self, purl: str) -> Part:
        return replace(self, purl=purl)


ROOT = Part("pkg:pypi/billing@2.0.0", "a" * 64, "Acme", "MIT")
PARTS = (
    Part("pkg:pypi/requests@2.31.0", "b" * 64, "PSF", "Apache-2.0"),
    Part("pkg:npm/%40acme/ledger@1.4.0", "c" * 64, "Acme", "MIT"),
    Part("pkg:deb/debian/openssl@3.0.15-1~deb12u1?arch=amd64", "d" * 64, "Debian"),
    Part("pkg:maven/com.acme/tariff@1.2", "e" * 64),
)


def cyclonedx(version: str, encoding: str, root: Part = ROOT, parts: tuple[Part, ...] = PARTS) -> bytes:
    bom = Bom(serial_number=SERIAL, version=3)
    bom.metadata.timestamp = MADE
    bom.metadata.component = _component(root, 0)
    made = [_component(part, number) for number, part in enumerate(parts, 1)]
    for component in made:
        bom.components.add(component)
    bom.register_dependency(bom.metadata.component, made)
    form = OutputFormat.JSON if encoding == "json" else OutputFormat.XML
    text: str = make_outputter(bom, form, SchemaVersion.from_version(version)).output_as_string(indent=2)
    return text.encode()


def _component(part: Part, number: int) -> Component:
    purl = PackageURL.from_string(part.purl)
    return Component(
        name=purl.name, group=purl.namespace, version=purl.version, type=ComponentType.LIBRARY, bom_ref=f"ref-{number}", purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=part.sha256)] if part.sha256 else [],
        supplier=OrganizationalEntity(name=part.supplier) if part.supplier else None,
        licenses=[DisjunctiveLicense(id=part.licence)] if part.licence else [],
    )  # fmt: skip


def spdx2(
    version: str,
    encoding: str,
    root: Part = ROOT,
    parts: tuple[Part, ...] = PARTS,
    files: tuple[tuple[str, str], ...] = (),
) -> bytes:
    """files: (path, sha1) of the root."""
    packages = [_package(part, number) for number, part in enumerate((root, *parts))]
    if files:
        packages[0].files_analyzed = True
        packages[0].verification_code = spdx.PackageVerificationCode("0" * 40)
    unsaid = spdx.SpdxNoAssertion()
    made = [
        spdx.File(
            f"./{path}",
            f"SPDXRef-File-{number}",
            [spdx.Checksum(spdx.ChecksumAlgorithm.SHA1, sha1)],
            license_concluded=unsaid,
            license_info_in_file=[unsaid],
            copyright_text=unsaid,
        )
        for number, (path, sha1) in enumerate(files)
    ]
    relation = spdx.Relationship
    relationships = [relation("SPDXRef-DOCUMENT", spdx.RelationshipType.DESCRIBES, "SPDXRef-0")]
    relationships += [
        relation("SPDXRef-0", spdx.RelationshipType.DEPENDS_ON, package.spdx_id) for package in packages[1:]
    ]
    relationships += [relation("SPDXRef-0", spdx.RelationshipType.CONTAINS, file.spdx_id) for file in made]
    document = spdx.Document(
        spdx.CreationInfo(
            f"SPDX-{version}", "SPDXRef-DOCUMENT", "billing", "https://example.org/billing-2",
            [spdx.Actor(spdx.ActorType.TOOL, "maker-1")], MADE,
        ),
        packages, files=made, relationships=relationships,
    )  # fmt: skip
    return _written(document, encoding)


def _package(part: Part, number: int) -> spdx.Package:
    purl = spdx.ExternalPackageRef(spdx.ExternalPackageRefCategory.PACKAGE_MANAGER, "purl", part.purl)
    return spdx.Package(
        f"SPDXRef-{number}",
        part.name,
        spdx.SpdxNoAssertion(),
        version=part.version,
        files_analyzed=False,
        supplier=spdx.Actor(spdx.ActorType.ORGANIZATION, part.supplier, "mail@example.org")
        if part.supplier
        else spdx.SpdxNoAssertion(),
        checksums=[spdx.Checksum(spdx.ChecksumAlgorithm.SHA256, part.sha256)] if part.sha256 else [],
        external_references=[purl],
        license_info_from_files=[],
        license_concluded=spdx.SpdxNoAssertion(),
        copyright_text=spdx.SpdxNoAssertion(),
        license_declared=spdx.SpdxNoAssertion(),
    )


def _written(document: Any, encoding: str) -> bytes:
    if encoding == "rdf-xml":
        raw = BytesIO()
        rdf_writer.write_document_to_stream(document, raw, validate=False)
        return raw.getvalue()
    writer = {"json": json_writer, "yaml": yaml_writer, "xml": xml_writer, "tag-value": tagvalue_writer}[encoding]
    if encoding == "xml":  # it writes bytes in some versions of xmltodict, text in others
        with TemporaryDirectory() as folder:
            path = Path(folder) / "document.xml"
            xml_writer.write_document_to_file(document, str(path), validate=False)
            return path.read_bytes()
    text = StringIO()
    writer.write_document_to_stream(document, text, validate=False)
    return text.getvalue().encode()


__all__ = ["CYCLONEDX", "MADE", "PARTS", "ROOT", "SPDX", "Part", "cyclonedx", "spdx2"]
