"""CSAF 2.0 documents: an RHSA and a VEX file in Red Hat's shape (of 2024, shortened), and CISA's (VA-24-201-01)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from suture.feeds.errors import FeedFormatError
from suture.feeds.sources.redhat_csaf import decode

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:L/A:N"
HOSTILE = {"purl": "pkg:rpm/redhat/$(id)@1"}
EL9 = "cpe:/o:redhat:enterprise_linux:9::baseos"


def leaf(name: str, **helper: str) -> dict[str, Any]:
    product = {"product_id": name, "name": name, "product_identification_helper": helper}
    return {
        "category": "product_version",
        "name": name,
        "product": product if helper else {"product_id": name, "name": name},
    }


def rpm(name: str, arch: str, version: str = "3.0.7-27.el9", **more: str) -> dict[str, Any]:
    qualifiers = "&".join(f"{key}={value}" for key, value in {"arch": arch, "epoch": "1", **more}.items())
    return leaf(f"{name}.{arch}", purl=f"pkg:rpm/redhat/{name}@{version}?{qualifiers}")


def on(platform: str, component: str) -> dict[str, Any]:
    return {
        "category": "default_component_of", "product_reference": component, "relates_to_product_reference": platform,
        "full_product_name": {"product_id": f"{platform}:{component}", "name": f"{component} as a component of {platform}"},
    }  # fmt: skip


def document(vulnerabilities: list[Any], **changes: Any) -> dict[str, Any]:
    leaves = [
        leaf("BaseOS-9", cpe=EL9), rpm("openssl", "src"), rpm("openssl-libs", "x86_64"), rpm("openssl", "x86_64"),
        leaf("nodejs.src", purl="pkg:rpm/redhat/nodejs@18.20.2-1.module?arch=src&rpmmod=nodejs:18:9040020:rhel9"),
        leaf("openssl-bare", purl="pkg:rpm/redhat/compat-openssl11?arch=src"),
    ]  # fmt: skip
    return {
        "document": {
            "category": "csaf_security_advisory", "csaf_version": "2.0", "title": "Important: openssl update",
            "publisher": {"name": "Red Hat Product Security", "category": "vendor", "namespace": "https://example.test"},
            "aggregate_severity": {"text": "Important"},
            "tracking": {
                "id": "RHSA-2024:2447", "status": "final", "version": "1",
                "current_release_date": "2024-05-02T10:00:00+00:00", "initial_release_date": "2024-04-30T10:00:00+00:00",
            },
        },
        "product_tree": {
            "branches": [{"category": "vendor", "name": "Red Hat", "branches": leaves}],
            "relationships": [on("BaseOS-9", found["name"]) for found in leaves[1:]],
        },
        "vulnerabilities": vulnerabilities,
        **changes,
    }  # fmt: skip


def vulnerability(**more: Any) -> dict[str, Any]:
    return {
        "cve": "CVE-2023-2975",
        "product_status": {"fixed": ["BaseOS-9:openssl.src", "BaseOS-9:openssl-libs.x86_64", "BaseOS-9:openssl.x86_64"]},
        "scores": [{"products": [], "cvss_v3": {"version": "3.1", "vectorString": VECTOR, "baseScore": 5.3}}],
        "remediations": [{"category": "vendor_fix", "details": "Update {{ now }}", "product_ids": ["BaseOS-9:openssl.src"]}],
        **more,
    }  # fmt: skip


def decoded(*vulnerabilities: Any, **changes: Any) -> Any:
    return decode(json.dumps(document(list(vulnerabilities), **changes)).encode(), where="rhsa.json")


def test_a_fixed_source_package_is_an_advisory_of_its_release_with_its_binaries() -> None:
    found = decoded(vulnerability())
    assert (found.records, found.rejected) == (1, [])
    (advisory,) = found.tables["advisory"]
    assert advisory["advisory_id"] == "redhat_csaf/el9/openssl@1:3.0.7-27.el9"
    assert (advisory["ecosystem"], advisory["codename"], advisory["urgency"]) == ("rpm", "el9", "Important")
    (statement,) = found.tables["vex_statement"]
    assert (statement["status"], statement["package"], statement["action"]) == (
        "fixed",
        "openssl",
        "vendor_fix: Update {{ now }}",
    )
    packages = {(row["package"], row["architecture"]) for row in found.tables["advisory_package"]}
    assert packages == {("openssl-libs", "x86_64"), ("openssl", "x86_64")}
    (score,) = found.tables["cve_score"]
    assert (score["base_score"], score["source"]) == (5.3, "vendor:redhat_csaf")


def test_a_module_stream_is_kept_apart() -> None:
    found = decoded(vulnerability(product_status={"fixed": ["BaseOS-9:nodejs.src"]}))
    (span,) = found.tables["advisory_range"]
    assert (span["module"], span["fixed"], span["codename"]) == ("nodejs:18", "18.20.2-1.module", "el9")


def test_the_statuses_of_a_vex_file() -> None:
    found = decoded(vulnerability(
        product_status={"known_affected": ["BaseOS-9:openssl-bare"], "known_not_affected": ["BaseOS-9:openssl.src"],
                        "under_investigation": ["BaseOS-9:nodejs.src"]},
        flags=[{"label": "vulnerable_code_not_present", "product_ids": ["BaseOS-9:openssl.src"]}],
        remediations=[{"category": "no_fix_planned", "details": "Will not fix", "product_ids": ["BaseOS-9:openssl-bare"]}],
    ))  # fmt: skip
    said = {
        row["package"]: (row["status"], row["justification"], row["version"]) for row in found.tables["vex_statement"]
    }
    assert said == {
        "compat-openssl11": ("affected", None, None),
        "openssl": ("not_affected", "vulnerable_code_not_present", "1:3.0.7-27.el9"),
        "nodejs": ("under_investigation", None, "18.20.2-1.module"),
    }
    (advisory,) = found.tables["advisory"]  # only what is affected, and with no fix
    assert advisory["advisory_id"] == "redhat_csaf/el9/compat-openssl11@unfixed/CVE-2023-2975"
    assert [(row["fixed"], row["kind"], row["state"]) for row in found.tables["advisory_range"]] == [
        (None, "range", "end_of_life")
    ]


def test_a_contradiction_falls_to_the_worrying_side_and_is_named() -> None:
    both = {"known_affected": ["BaseOS-9:openssl.src"], "known_not_affected": ["BaseOS-9:openssl.src"]}
    found = decoded(vulnerability(product_status=both))
    assert [row["status"] for row in found.tables["vex_statement"]] == ["affected"]
    assert "'BaseOS-9:openssl.src' is affected and also not_affected" in found.rejected[0].reason


def test_products_without_purl_or_cpe_are_text() -> None:
    tree = {"full_product_names": [{"product_id": "CSAFPID-0006", "name": "Adminer (all versions)"}]}
    found = decoded(vulnerability(product_status={"known_affected": ["CSAFPID-0006"]}), product_tree=tree)
    (row,) = found.tables["vex_statement"]
    assert (row["product"], row["package"], row["ecosystem"]) == ("Adminer (all versions)", None, None)
    assert found.tables["advisory"] == []


BAD = {
    "no such product": (vulnerability(product_status={"fixed": ["ghost"]}), {}, "the product id 'ghost' is not defined"),
    "no CVE": (vulnerability(cve="CVE-x"), {}, "vulnerabilities[0]: cve: 'CVE-x' is no CVE id"),
    "no id at all": ({"product_status": {}}, {}, "neither a CVE nor an id of its own"),
    "a wrong type": (vulnerability(flags="all"), {}, "Expected `array`, got `str`"),
    "a circle": (
        vulnerability(product_status={"fixed": ["A:B"]}),
        {"product_tree": {"relationships": [{**on("A", "B"), "product_reference": "A:B"}]}}, "defined by itself",
    ),
    "twice defined": (
        vulnerability(product_status={}),
        {"product_tree": {"full_product_names": [{"product_id": "A", "name": "a"}, {"product_id": "A", "name": "b"}]}},
        "the product id 'A' is defined twice",
    ),
    "a hostile purl": (
        vulnerability(product_status={"fixed": ["A"]}),
        {"product_tree": {"full_product_names": [{"product_id": "A", "name": "a", "product_identification_helper": HOSTILE}]}},
        "is no rpm package's name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_part_is_named_and_the_rest_stands(name: str) -> None:
    bad, changes, reason = BAD[name]
    found = decoded(bad, vulnerability(cve="CVE-2023-3446", product_status={}), **changes)
    assert any(reason in item.reason for item in found.rejected), found.rejected
    assert all(item.reason.startswith("rhsa.json, RHSA-2024:2447: ") for item in found.rejected)
    assert "CVE-2023-3446" in {row["cve_id"] for row in found.tables["cve_score"]}


def head(**changes: Any) -> dict[str, Any]:
    return {**document([])["document"], **changes}


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"), (b"<html>", "web page"), (json.dumps(document([])).encode()[:-10], "not as it should be"),
        (json.dumps({**document([]), "document": head(csaf_version="2.1")}).encode(), "only 2.0"),
        (
            json.dumps({**document([]), "document": head(tracking={**head()["tracking"], "status": "draft"})}).encode(),
            "counts for nothing",
        ),
        (json.dumps({**document([]), "document": head(tracking={**head()["tracking"], "id": ""})}).encode(), "tracking.id"),
        (json.dumps({**document([]), "document": head(title="\x00")}).encode(), "NUL"),
        (b'{"document": {}, "document": {}}', "twice"),
        (
            json.dumps({**document([]), "product_tree": {"branches": [{"category": "a", "name": "a", "branches": 7}]}}).encode(),
            "Expected `array`",
        ),
    ],
)  # fmt: skip
def test_another_or_a_truncated_document_is_refused(raw: bytes, reason: str) -> None:
    with pytest.raises(FeedFormatError, match=reason):
        decode(raw, where="rhsa.json")
