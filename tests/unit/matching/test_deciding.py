"""Deciding, without a warehouse: ranges with holes, VEX, rejected, aliases, the uncertain."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from suture.inventory.deciding import Claim, Decision, Knowledge, canonical_names, decide
from suture.inventory.spans import Span, first_fix, holds
from suture.inventory.statements import Installed, Statement, by_package
from suture.inventory.versions import ORDERS

JINJA = Installed("pypi", "jinja2", "3.0.0")
HOLES = (Span(introduced="2.0", fixed="2.11.3"), Span(introduced="3.0", fixed="3.0.3"))
NGINX = Installed("deb", "nginx", "1.22.1-9", "bookworm", "debian")


def claim(
    name: str = "A-1", *, spans: tuple[Span, ...] = HOLES, cves: tuple[str, ...] = ("CVE-2021-1",), **more: Any
) -> Claim:
    values: dict[str, Any] = {"ecosystem": "pypi", "package": "jinja2", "source": "osv"} | more
    return Claim(name, spans=spans, cves=dict.fromkeys(cves, "stated"), **values)


def nginx_claim(name: str = "DSA-1", fixed: str | None = "1.22.1-9+deb12u1", **more: Any) -> Claim:
    spans = more.pop("spans", (Span(fixed=fixed),))
    return claim(name, spans=spans, ecosystem="deb", package="nginx", codename="bookworm", **more)


def statement(status: str, *, day: int | None = 10, **more: Any) -> Statement:
    values: dict[str, Any] = {
        "source": "vex", "author": "The maintainers", "vulnerability": "CVE-2021-1", "ecosystem": "pypi", "package": "jinja2",
        "dated_at": None if day is None else datetime(2026, 1, day, tzinfo=UTC),
        "justification": "vulnerable_code_not_present" if status == "not_affected" else None,
    }  # fmt: skip
    return Statement(status=status, **(values | more))


def said(*statements: Statement, **more: Any) -> Knowledge:
    return Knowledge(statements=by_package(statements), **more)


def one(installed: Installed, *claims: Claim, knowledge: Knowledge | None = None) -> Decision:
    decisions, uncertain = decide(installed, claims, knowledge or Knowledge())
    assert uncertain == []
    assert len(decisions) == 1
    return decisions[0]


@pytest.mark.parametrize(
    ("version", "affected", "fix"),
    [("1.9", False, None), ("2.0", True, "2.11.3"), ("2.11.3", False, None), ("3.0", True, "3.0.3"), ("3.0.2", True, "3.0.3"),
     ("3.0.3", False, None), ("3.0.dev1", False, None)],
)  # fmt: skip
def test_a_range_with_holes_is_vulnerable_again_after_a_fix(version: str, affected: bool, fix: str | None) -> None:
    decisions, _ = decide(replace(JINJA, version=version), [claim()], Knowledge())
    assert [(d.status, d.fixed_version) for d in decisions] == ([("affected", fix)] if affected else [])


def test_last_affected_limit_and_lists_of_versions() -> None:
    order = ORDERS["pypi"]
    assert holds(order, "1.5", Span(last_affected="1.5"))
    assert not holds(order, "1.5.1", Span(last_affected="1.5"))
    assert holds(order, "1.4", Span(limit_before="1.5"))
    assert not holds(order, "1.5", Span(limit_before="1.5"))
    assert holds(order, "1.0", Span(versions=("1.0.0", "2.0")))  # the same version, spelled otherwise
    assert not holds(order, "1.1", Span(versions=("1.0.0", "2.0", "no version")))


def test_a_fix_that_another_span_holds_again_is_none() -> None:
    taken_back = (Span(introduced="1", fixed="1.5"), Span(introduced="1.5", fixed="1.7"))
    assert first_fix(ORDERS["pypi"], "1.2", taken_back) == "1.7"
    assert first_fix(ORDERS["pypi"], "1.2", (Span(introduced="1", fixed="1.5"), Span(introduced="1.4"))) is None


def test_not_affected_excuses_and_a_later_statement_takes_the_excuse_back() -> None:
    excused = one(JINJA, claim(), knowledge=said(statement("not_affected")))
    assert excused.status == "not_affected"
    assert excused.grounds["excused"][0]["justification"] == "vulnerable_code_not_present"
    assert "The maintainers" in excused.grounds["sentence"]
    for later in ("affected", "under_investigation"):
        knowledge = said(statement("not_affected"), statement(later, day=11))
        assert one(JINJA, claim(), knowledge=knowledge).status == "affected"
    knowledge = said(statement("affected", day=9), statement("not_affected"))
    assert one(JINJA, claim(), knowledge=knowledge).status == "not_affected"
    undated = said(statement("not_affected", day=None), statement("affected", day=1))
    assert one(JINJA, claim(), knowledge=undated).status == "affected"


def test_of_several_sources_and_of_one_moment_the_worst_counts() -> None:
    other = statement("affected", day=1, source="another")
    assert one(JINJA, claim(), knowledge=said(statement("not_affected"), other)).status == "affected"
    assert one(JINJA, claim(), knowledge=said(statement("not_affected"), statement("affected"))).status == "affected"


@pytest.mark.parametrize(
    "more",
    [{"version": "2.9"}, {"subcomponent": "pkg:pypi/jinja2"}, {"package": "other"}, {"vulnerability": "CVE-2021-2"},
     {"codename": "trixie"}, {"ecosystem": "npm"}, {"version": "no version"}],
)  # fmt: skip
def test_a_statement_out_of_scope_excuses_nothing(more: dict[str, Any]) -> None:
    assert one(JINJA, claim(), knowledge=said(statement("not_affected", **more))).status == "affected"


def test_a_statement_for_the_installed_version_counts_however_it_is_spelled() -> None:
    assert one(JINJA, claim(), knowledge=said(statement("not_affected", version="3.0"))).status == "not_affected"


def test_an_excuse_older_than_the_advisory_excuses_nothing() -> None:
    newer = claim(published_at=datetime(2026, 1, 11, tzinfo=UTC))
    assert one(JINJA, newer, knowledge=said(statement("not_affected"))).status == "affected"


def test_fixed_speaks_for_a_distributions_version_and_never_for_an_upstream_one() -> None:
    fixed = statement("fixed", ecosystem="deb", package="nginx", codename="bookworm", version="1.22.1-8+deb12u7")
    assert one(NGINX, nginx_claim(), knowledge=said(fixed)).status == "not_affected"
    assert one(NGINX, nginx_claim(), knowledge=said(replace(fixed, version="1.22.1-10"))).status == "affected"
    assert one(NGINX, nginx_claim(), knowledge=said(replace(fixed, version=None))).status == "affected"
    upstream = statement("fixed", version="2.9")
    assert one(JINJA, claim(), knowledge=said(upstream)).status == "affected"


def test_a_statement_without_a_release_needs_the_hosts_distribution() -> None:
    words: dict[str, Any] = {"ecosystem": "deb", "package": "nginx"}
    for product, os_id, expected in (
        ("pkg:deb/debian/nginx", "debian", "not_affected"), ("pkg:deb/ubuntu/nginx", "debian", "affected"),
        ("pkg:deb/debian/nginx", "", "affected"), ("pkg:deb/debian/nginx", None, "not_affected"),
    ):  # fmt: skip
        knowledge = said(statement("not_affected", product=product, **words))
        assert one(replace(NGINX, os_id=os_id), nginx_claim(), knowledge=knowledge).status == expected


def test_an_excuse_for_one_vulnerability_leaves_the_others() -> None:
    two = claim(cves=("CVE-2021-1", "CVE-2021-2"))
    found = one(JINJA, two, knowledge=said(statement("not_affected")))
    assert (found.status, found.grounds["vulnerabilities"]) == ("affected", ["CVE-2021-2"])


def test_a_mention_in_a_changelog_is_not_excused_away() -> None:
    mentioned = replace(nginx_claim(), cves={"CVE-2021-1": "mentioned"})
    excuse = statement("not_affected", ecosystem="deb", package="nginx", codename="bookworm")
    assert one(NGINX, mentioned, knowledge=said(excuse)).status == "affected"


def test_rejected_cves_do_not_count_and_say_so() -> None:
    found = one(JINJA, claim(), knowledge=Knowledge(rejected=frozenset({"CVE-2021-1"})))
    assert (found.status, found.grounds["rejected"]) == ("not_affected", ["CVE-2021-1"])
    two = claim(cves=("CVE-2021-1", "CVE-2021-2"))
    assert one(JINJA, two, knowledge=Knowledge(rejected=frozenset({"CVE-2021-1"}))).status == "affected"


def test_what_nobody_has_looked_into_is_neither_safe_nor_a_finding() -> None:
    unclear = claim(spans=(Span(state="undetermined"),))
    assert one(JINJA, unclear).status == "under_investigation"
    no_fix = claim(spans=(Span(),))
    assert one(JINJA, no_fix, knowledge=said(statement("under_investigation"))).status == "under_investigation"
    assert one(JINJA, claim(), knowledge=said(statement("under_investigation"))).status == "affected"
    assert one(JINJA, claim(spans=(Span(state="end_of_life"),))).status == "affected"


def test_ghsa_pysec_and_cve_are_one_finding_that_names_the_others() -> None:
    names = [("GHSA-1", "CVE-2021-1"), ("PYSEC-1", "GHSA-1")]
    ghsa = claim("ghsa", names=names[0])
    pysec = claim("pysec", cves=("PYSEC-1",), names=names[1], spans=(Span(fixed="3.0.3"),))
    found = one(JINJA, ghsa, pysec, knowledge=Knowledge(canonical=canonical_names(names)))
    assert found.grounds["same_as"] == sorted({"ghsa", "pysec"} - {found.advisory_id})


def test_the_newer_fix_of_the_same_vulnerability_is_the_finding() -> None:
    first, update = nginx_claim("USN-1"), nginx_claim("USN-2", "1.22.1-9+deb12u2")
    found = one(NGINX, first, update)
    assert (found.advisory_id, found.fixed_version, found.grounds["same_as"]) == ("USN-2", "1.22.1-9+deb12u2", ["USN-1"])
    after = one(replace(NGINX, version="1.22.1-9+deb12u1"), first, update)
    assert (after.advisory_id, "same_as" in after.grounds) == ("USN-2", False)


def test_another_vulnerability_or_an_older_fix_stays_a_finding_of_its_own() -> None:
    one_more = nginx_claim("DSA-2", "1.22.1-9+deb12u2", cves=("CVE-2021-2",))
    assert len(decide(NGINX, [nginx_claim(), one_more], Knowledge())[0]) == 2
    wider_without_fix = nginx_claim("T-1", None, cves=("CVE-2021-1", "CVE-2021-2"))
    assert len(decide(NGINX, [nginx_claim(), wider_without_fix], Knowledge())[0]) == 2


def test_the_advisory_that_says_what_to_install_is_not_merged_away() -> None:
    archive = nginx_claim("archive", plannable=True, source="debian-security")
    found = one(NGINX, nginx_claim("tracker", source="debian_tracker"), archive)
    assert (found.advisory_id, found.grounds["same_as"]) == ("archive", ["tracker"])
    elsewhere = nginx_claim("vendor", plannable=True, source="vendor")
    assert len(decide(NGINX, [archive, elsewhere], Knowledge())[0]) == 2


def test_a_record_about_two_cves_joins_nothing() -> None:
    assert canonical_names([("GHSA-1", "CVE-1-1", "CVE-1-2")]) == {}
    assert canonical_names([("GHSA-1", "CVE-1-1"), ("GHSA-1", "CVE-1-2")])["GHSA-1"] == "CVE-1-1"
    joined = canonical_names([("B", "C"), ("A", "B"), ("C", "CVE-1-1")])
    assert set(joined.values()) == {"CVE-1-1"}
    assert set(joined) == {"A", "B", "C"}


def test_another_release_or_package_is_not_concerned() -> None:
    assert decide(replace(NGINX, codename="trixie"), [nginx_claim()], Knowledge()) == ([], [])
    assert decide(replace(NGINX, package="apache2"), [nginx_claim()], Knowledge()) == ([], [])


def test_an_rpm_modules_advisory_is_for_packages_of_modules() -> None:
    plain = Installed("rpm", "nodejs", "1:18.0.0-1.el9", "el9")
    modular = replace(plain, version="1:18.0.0-1.module+el9.2.0+1+ab")
    about = claim(spans=(Span(fixed="1:20-1", module="nodejs:18"),), ecosystem="rpm", package="nodejs", codename="el9")
    assert decide(plain, [about], Knowledge()) == ([], [])
    assert one(modular, about).status == "affected"
    unmodular = replace(about, spans=(Span(fixed="1:20-1"),))
    assert decide(modular, [unmodular], Knowledge()) == ([], [])


def test_a_bound_that_is_no_version_is_uncertain_and_named() -> None:
    decisions, uncertain = decide(JINJA, [claim(spans=(Span(fixed="the next one"),))], Knowledge())
    assert decisions == []
    assert "'the next one'" in uncertain[0]
    assert "A-1" in uncertain[0]
