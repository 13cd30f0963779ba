"""The verbs match and vercmp on files of every form, as a user calls them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from suture.command.main import main
from suture.errors import BadInputError
from suture.inventory.conditions import running_kernel_version
from suture.inventory.installed_files import read_installed
from suture.inventory.purl import BadPurlError, OtherEcosystemError, read_purl

FLASK = {
    "id": "GHSA-m2qf-hxjv-5gpq", "modified": "2023-05-01T00:00:00Z", "published": "2023-05-01T00:00:00Z",
    "aliases": ["CVE-2023-30861"], "summary": "Flask",
    "affected": [{"package": {"ecosystem": "PyPI", "name": "Flask"}, "ranges": [{"type": "ECOSYSTEM", "events": [
        {"introduced": "0"}, {"fixed": "2.2.5"}, {"introduced": "2.3.0"}, {"fixed": "2.3.2"}]}]}],
}  # fmt: skip
PYSEC = {**FLASK, "id": "PYSEC-2023-62", "aliases": ["GHSA-m2qf-hxjv-5gpq"]}
TRACKER = {"nginx": {
    "CVE-2023-44487": {"releases": {"bookworm": {"status": "resolved", "fixed_version": "1.22.1-9+deb12u1", "urgency": "high"},
                                    "trixie": {"status": "resolved", "fixed_version": "1.24.0-2", "urgency": "high"}}},
    "CVE-2024-7347": {"releases": {"bookworm": {"status": "open", "urgency": "low"}}},
    "CVE-2020-11724": {"releases": {"bookworm": {"status": "undetermined", "urgency": "not yet assigned"}}},
}}  # fmt: skip


def vex(status: str, **more: Any) -> dict[str, Any]:
    return {
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.com/vex/1", "author": "The Flask team",
        "timestamp": "2026-01-01T00:00:00Z", "version": 1,
        "statements": [{"vulnerability": {"name": "CVE-2023-30861"}, "products": [{"@id": "pkg:pypi/flask"}],
                        "status": status, **more}],
    }  # fmt: skip


def write(folder: Path, name: str, content: Any) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return str(path)


def match(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    status = main(["match", *words, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("pip", "Flask==2.3.1\nclick==8.1\n"), ("purl", "pkg:pypi/Flask@2.3.1\n"),
        ("cyclonedx", {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
            {"type": "application", "name": "shop", "purl": "pkg:pypi/shop@1.0", "components": [
                {"type": "library", "name": "flask", "purl": "pkg:pypi/flask@2.3.1"}]}]}),
    ],
)  # fmt: skip
def test_python_packages_of_every_form_against_osv(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, text: Any
) -> None:
    packages, advisories = write(tmp_path, form, text), write(tmp_path, "osv.json", [FLASK, PYSEC])
    status, found = match(capsys, "--packages", packages, "--advisories", advisories)
    assert status == 0
    assert [(f["source_package"], f["installed_version"], f["fixed_version"]) for f in found["findings"]] == [
        ("flask", "2.3.1", "2.3.2")
    ]
    names = {found["findings"][0]["advisory_id"], *found["findings"][0]["grounds"]["same_as"]}
    assert names == {"GHSA-m2qf-hxjv-5gpq", "PYSEC-2023-62"}
    hole = write(tmp_path, "hole", "Flask==2.2.5\n")
    assert match(capsys, "--packages", hole, "--advisories", advisories)[0] == 1


def test_each_branch_that_is_installed_has_its_own_fix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    core = "org.apache.logging.log4j:log4j-core"
    events = [{"introduced": "2.0-beta9"}, {"fixed": "2.3.1"}, {"introduced": "2.4"}, {"fixed": "2.15.0"}]
    log4shell = {
        "id": "GHSA-jfh8-c2jp-5v3q", "modified": "2026-01-01T00:00:00Z", "published": "2021-12-10T00:00:00Z", "aliases": [],
        "affected": [{"package": {"ecosystem": "Maven", "name": core}, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
    }  # fmt: skip
    purls = [f"pkg:maven/{core.replace(':', '/')}@{version}\n" for version in ("2.2", "2.3.1", "2.3", "2.14.1", "2.16.0")]
    words = ["--packages", write(tmp_path, "p", "".join(purls)), "--advisories", write(tmp_path, "o", log4shell)]
    status, found = match(capsys, *words)
    assert status == 0
    assert [(f["installed_version"], f["fixed_version"]) for f in found["findings"]] == [("2.2", "2.3.1"), ("2.14.1", "2.15.0")]
    assert main(["match", *words]) == 0
    assert [line.split("\t")[1:3] for line in capsys.readouterr().out.splitlines()] == [["2.2", "2.3.1"], ["2.14.1", "2.15.0"]]


def test_vex_excuses_and_its_retraction_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--packages", write(tmp_path, "p", "flask==2.3.1\n"), "--advisories", write(tmp_path, "o", [FLASK])]
    excuse = write(tmp_path, "v1", vex("not_affected", justification="vulnerable_code_not_in_execute_path"))
    status, found = match(capsys, *words, "--vex", excuse)
    assert (status, found["findings"]) == (1, [])
    assert found["excused"][0]["grounds"]["excused"][0]["by"] == "The Flask team"
    later = write(tmp_path, "v2", vex("affected", action_statement="Update", timestamp="2026-02-01T00:00:00Z"))
    assert match(capsys, *words, "--vex", excuse, "--vex", later)[0] == 0
    assert match(capsys, *words, "--vex", write(tmp_path, "v3", vex("not_affected")))[0] == 2  # no justification


def test_debians_tracker_needs_the_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--packages", write(tmp_path, "p", "nginx\t1.22.1-9\n"), "--advisories", write(tmp_path, "t.json", TRACKER)]
    assert match(capsys, *words)[0] == 2
    status, found = match(capsys, *words, "--codename", "bookworm")
    assert status == 0
    assert [(f["cves"], f["fixed_version"]) for f in found["findings"]] == [
        (["CVE-2023-44487"], "1.22.1-9+deb12u1"), (["CVE-2024-7347"], None)
    ]  # fmt: skip
    assert [f["cves"] for f in found["under_investigation"]] == [["CVE-2020-11724"]]


def test_osv_as_yaml_and_debians_lists_are_known_by_their_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flask = write(tmp_path, "f", "flask==2.3.1\n")
    status, found = match(capsys, "--packages", flask, "--advisories", write(tmp_path, "o.yaml", yaml.safe_dump(FLASK)))
    assert (status, [f["fixed_version"] for f in found["findings"]]) == (0, ["2.3.2"])
    listed = write(tmp_path, "DSA-list", "[17 Mar 2023] DSA-5356-1 sox - security update\n\t{CVE-2023-1393}\n"
                   "\t[bullseye] - sox 14.4.2+git20190427-2+deb11u1\n")  # fmt: skip
    words = ["--packages", write(tmp_path, "p", "sox\t14.4.2+git20190427-2\n"), "--advisories", listed]
    assert match(capsys, *words)[0] == 2  # which release?
    status, found = match(capsys, *words, "--codename", "bullseye")
    assert (status, [f["cves"] for f in found["findings"]]) == (0, [["CVE-2023-1393"]])


def test_a_web_page_in_place_of_advisories_is_called_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = write(tmp_path, "osv.json", "<!DOCTYPE html><title>502</title>")
    assert main(["match", "--packages", write(tmp_path, "p", "bash\t5.1\n"), "--advisories", page]) == 2
    assert capsys.readouterr().err.strip().endswith("osv.json: it is a web page, not the feed.")


def test_a_release_that_no_advisory_is_for_is_no_clean_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--packages", write(tmp_path, "p", "nginx\t1.22.1-9\n"), "--advisories", write(tmp_path, "t.json", TRACKER)]
    status, found = match(capsys, *words, "--codename", "bookwrom")
    assert (status, found["findings"]) == (2, [])
    assert found["uncertain"] == ["the advisories are for bookworm, trixie, and none is for the release 'bookwrom' of --codename."]
    other = ["--packages", write(tmp_path, "q", "bash\t5.2\n"), "--advisories", words[3]]
    assert match(capsys, *other, "--codename", "bookwrom")[0] == 1  # none is about what it has: nothing to compare


@pytest.mark.parametrize(
    ("packages", "advisories", "why"),
    [
        ("", "bash\t5.2-1\n", "it holds no package"),
        ("# a comment\n", "bash\t5.2-1\n", "it holds no package"),
        ("bash\t5.1\n", "", "it holds no advisory"),
        ("bash\t5.1\n", "# nothing today\n", "it holds no advisory"),
        ("flask==2.3.1\n", [], "it holds no advisory"),
    ],
)
def test_what_looked_at_nothing_is_no_clean_host(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], packages: str, advisories: Any, why: str
) -> None:
    words = ["--packages", write(tmp_path, "p", packages), "--advisories", write(tmp_path, "a", advisories)]
    status, found = match(capsys, *words)
    assert (status, found["findings"]) == (2, [])
    assert any(why in sentence for sentence in found["uncertain"])


def test_a_withdrawn_advisory_was_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    withdrawn = write(tmp_path, "o", {**FLASK, "withdrawn": "2024-01-01T00:00:00Z"})
    assert match(capsys, "--packages", write(tmp_path, "p", "flask==2.3.1\n"), "--advisories", withdrawn)[0] == 1


def test_rpm_lists_name_their_source_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = "openssl-libs\t1:3.0.1-43.el9\topenssl-3.0.1-43.el9.src.rpm\nbash\t0:5.1.8-6.el9\tbash-5.1.8-6.el9.src.rpm\n"
    found = {p.package: p for p in read_installed(listed, where="rpm", form="rpm").packages}
    assert (found["openssl-libs"].source_package, found["openssl-libs"].ecosystem) == ("openssl", "rpm")
    assert found["bash"].version == "5.1.8-6.el9"
    plain = read_installed("bash-5.1.8-6.el9.x86_64\ngpg-pubkey-1-2.noarch\n", where="rpm")
    assert [(p.package, p.version) for p in plain.packages] == [("bash", "5.1.8-6.el9")]
    assert "its own source package" in plain.left_out[0]


def test_what_names_no_version_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "flask==2.3.2\n-e git+https://example.com/x#egg=x\nlocal @ file:///x\n"
    status, found = match(
        capsys, "--packages", write(tmp_path, "p", text), "--form", "pip", "--advisories", write(tmp_path, "o", [FLASK])
    )
    assert (status, len(found["uncertain"])) == (2, 2)
    assert "line 2" in found["uncertain"][0]


@pytest.mark.parametrize(
    "text",
    ["flask==2.3.1\x00", '{"bomFormat": "SPDX"}', '{"bomFormat": "CycloneDX", "components": 7}', "[" * 100_000,
     '{"bomFormat": "CycloneDX", "components": [7]}', "{" + '"a":{' * 5000],
)  # fmt: skip
def test_hostile_lists_are_refused_by_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInputError, match="packages"):
        read_installed(text, where="packages")


def test_a_huge_version_is_uncertain_and_costs_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started = time.process_time()
    words = ["--packages", write(tmp_path, "p", f"flask=={'9' * 10**6}\n"), "--advisories", write(tmp_path, "o", [FLASK])]
    assert match(capsys, *words)[0] == 2
    assert time.process_time() - started < 20


def test_purls() -> None:
    found = read_purl("pkg:deb/debian/libssl3@3.0.11-1~deb12u2?arch=amd64&distro=debian-12&upstream=openssl%403.0.11-1")
    assert (found.name, found.source_name, found.source_version, found.codename, found.os_id) == (
        "libssl3", "openssl", "3.0.11-1", "bookworm", "debian",
    )  # fmt: skip
    rpm = read_purl("pkg:rpm/redhat/openssl-libs@3.0.1-43.el9?epoch=1&distro=rhel-9.2&upstream=openssl-3.0.1-43.el9.src.rpm")
    assert (rpm.version, rpm.source_name, rpm.codename) == ("1:3.0.1-43.el9", "openssl", "el9")
    assert read_purl("pkg:npm/%40babel/core@7.0.0").name == "@babel/core"
    assert read_purl("pkg:maven/org.apache/commons@1.0").name == "org.apache:commons"
    assert read_purl("pkg:pypi/Zope.Interface@5").name == "zope-interface"
    with pytest.raises(OtherEcosystemError, match="'golang'"):
        read_purl("pkg:golang/example.com/x@v1.0.0")
    for text in ("flask", "pkg:pypi/", "pkg:pypi/x@1\x00", "pkg:maven/x@1", "pkg:" + "a" * 10**6, "pkg:pypi/a b"):
        with pytest.raises(BadPurlError):
            read_purl(text)


@pytest.mark.parametrize(
    ("release", "build", "version"),
    [
        ("6.1.0-17-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.69-1 (2023-12-30)", "6.1.69-1"),
        ("5.15.0-25-generic", "#25-Ubuntu SMP Wed Mar 30 15:54:22 UTC 2022", "5.15.0-25.25"),
        ("5.15.0-46-generic", "#49~20.04.1-Ubuntu SMP Thu Aug 4 19:15:44 UTC 2022", "5.15.0-46.49~20.04.1"),
        ("6.18.44", "#1 SMP PREEMPT_DYNAMIC @0", None), ("6.1.0-17-amd64", None, None), ("x", "Debian " + "9" * 10**6, None),
    ],
)  # fmt: skip
def test_the_running_kernels_package_version(release: str, build: str | None, version: str | None) -> None:
    assert running_kernel_version(release, build) == version


@pytest.mark.parametrize(
    ("ecosystem", "one", "other", "sign"),
    [("deb", "1.0~rc1", "1.0", "<"), ("rpm", "1.0^git1", "1.0", ">"), ("pypi", "1.0.dev1", "1.0a1", "<"),
     ("npm", "1.0.0-rc.1", "1.0.0", "<"), ("maven", "1.0-ga", "1", "=")],
)  # fmt: skip
def test_vercmp_of_every_ecosystem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ecosystem: str, one: str, other: str, sign: str
) -> None:
    assert main(["vercmp", ecosystem, one, other]) == 0
    assert capsys.readouterr().out == f"{sign}\n"
    pairs = write(tmp_path, "pairs", f"{one}\t{other}\n \t\n{other}\t{other}\n")
    assert main(["vercmp", ecosystem, "--batch", pairs]) == 2
    out, err = capsys.readouterr()
    assert out.split() == [sign, "error", "="]
    assert "line 2" in err
