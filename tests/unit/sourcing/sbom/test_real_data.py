"""All of a folder of real documents, where SUTURE_TEST_DATA names one (folders cyclonedx, spdx, purl).

The counts are of: 52 examples of CycloneDX (bom-examples), 15 documents of spdx-tools' own tests, and the test suite of the
package-url standard (586 tests in 43 files).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from suture.sourcing.sbom import purls
from suture.sourcing.sbom.model import UnreadableSbomError
from suture.sourcing.sbom.reading import read_file

DATA = os.environ.get("SUTURE_TEST_DATA")
pytestmark = pytest.mark.skipif(
    not DATA, reason="SUTURE_TEST_DATA names no folder of real documents: NOT TESTED ON THEM"
)


@pytest.mark.parametrize(
    ("folder", "count", "flaws"), [("cyclonedx", 52, {"root_missing", "dependency_cycle"}), ("spdx", 15, set())]
)
def test_every_document_is_read(folder: str, count: int, flaws: set[str]) -> None:
    refused, found = [], []
    for path in sorted((Path(str(DATA)) / folder).iterdir()):
        try:
            found.append(read_file(path))
        except UnreadableSbomError as error:
            refused.append(error.message)
    print(Counter((one.format, one.spec_version, one.encoding, one.charset) for one in found), len(refused))
    assert (refused, len(found)) == ([], count)
    assert {flaw.kind for one in found for flaw in one.flaws} == flaws


def test_the_suite_of_the_standard() -> None:
    """Two of its tests contradict a third (upper case in a qualifier's key)."""
    wrong, count = [], 0
    for path in sorted((Path(str(DATA)) / "purl").rglob("*.json")):
        for case in json.loads(path.read_text("utf-8"))["tests"]:
            count += 1
            if _answer(case) != (None if case["expected_failure"] else case["expected_output"]):
                wrong.append(case["input"])
    assert count == 586
    assert wrong == [
        "pkg:gem/jruby-launcher@1.1.2?Platform=java",
        "pkg:Rpm/fedora/curl@7.50.3-1.fc25?Arch=i386&Distro=fedora-25",
    ]


def _answer(case: dict[str, Any]) -> Any:
    given = case["input"]
    try:
        if case["test_type"] == "build":
            texts = [given[key] or "" for key in ("type", "namespace", "name", "version")]
            kind, namespace, name, version = texts
            qualifiers = (given["qualifiers"] or {}).items()
            return str(purls.build(kind, namespace, name, version, qualifiers, given["subpath"] or ""))
        found = purls.parse(given)
    except purls.BadPurlError:
        return None
    if case["test_type"] == "validate":
        return str(found)
    parts = {key: getattr(found, key) or None for key in ("type", "namespace", "name", "version", "subpath")}
    return {**parts, "qualifiers": dict(found.qualifiers) or None}
