"""The comparison itself: what is alike, what is declared, what fails whatever the score is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from suture.errors import BadInputError
from suture.model import CampaignPlan, Ring
from suture.model.assets import AssetRegister
from suture.policy.loader import PolicyError, load_text
from suture.runner.inventory import Inventory
from suture.settings import PROJECT_ROOT
from suture.staging.mirror import followers
from suture.staging.parity import NotComparableError, Parity, ParityError, compare
from suture.staging.parity_facts import PRODUCTION, STAGING, ForeignConnection, HostFacts, RoleFacts, closure
from suture.staging.parity_measure import pose
from suture.staging.parity_policy import Expected, ParityPolicy

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
POLICY = PROJECT_ROOT / "include" / "policy"
FLOW = "app to db 5432/tcp"


@pytest.fixture
def rules() -> ParityPolicy:
    return ParityPolicy.load(POLICY)


def host(name: str = "app1", side: str = PRODUCTION, role: str = "app", **changes: Any) -> HostFacts:
    packages = {f"package{number}": "1.0" for number in range(196)} | {
        "acme-portal": "1.0.0", "python3": "3.11", "libssl3": "3.0.17", "mail-agent": "9",
    }  # fmt: skip
    files = {f"/etc/part{n}.conf": f"0644 root:root {n:032x}" for n in range(100)} | {"/etc/hosts": f"of {side}"}
    items: dict[str, dict[str, str]] = {
        "packages": packages,
        "configuration": files,
        "units": {"acme-portal.service": "enabled, running", "ssh.service": "enabled, running"},
        "ports": {"tcp/8081 any": "acme-portal.service", "tcp/22 any": "ssh.service"},
        "dependencies": {"acme-portal.service needs system.slice": "yes"},
    }
    for kind, changed in changes.pop("items", {}).items():
        items[kind] = {k: v for k, v in {**items[kind], **changed}.items() if v is not None}
    facts = HostFacts(
        host=name, role=role, side=side, taken_at=NOW, items=items, flows={FLOW: ""},
        depends={"acme-portal": ("python3",), "python3": ("libssl3",), "postfix": ("mail-transport",)},
        provides={"mail-agent": ("mail-transport",)},
    )  # fmt: skip
    return replace(facts, **changes)


def stg(**changes: Any) -> HostFacts:
    return host("stg-app1", STAGING, **changes)


def look(rules: ParityPolicy, *production: HostFacts, staging: HostFacts | None = None, **rest: Any) -> Parity:
    role = RoleFacts(
        "app", production or (host(),), (staging or stg(),), rest.pop("missing", {}), len(production) or 1,
        rest.pop("flows", (FLOW,)), matters=rest.pop("matters", True),
    )  # fmt: skip
    return compare(rules, [role], now=rest.pop("now", NOW), **rest)


def test_an_equal_pair_passes_and_the_declared_difference_is_listed(rules: ParityPolicy) -> None:
    found = look(rules, touched=["acme-portal"])
    assert found.passed
    assert found.score == 100
    assert [(one.item, bool(one.declared)) for one in found.differences] == [("/etc/hosts", True)]
    assert found.require_passed() is found


def test_another_kernel_is_listed_costs_nothing_and_can_be_declared(rules: ParityPolicy) -> None:
    two = host("app1"), host("app2")
    kernels = {"app1": "6.1.0-30-amd64", "app2": "6.1.0-31-amd64", "stg-app1": "6.1.0-31-amd64"}
    found = look(rules, *two, touched=["acme-portal"], kernels=kernels)
    (kernel,) = [one for one in found.differences if one.kind == "kernel"]
    assert (kernel.item, kernel.hard, kernel.declared) == ("running", False, None)
    assert kernel.sentence == (
        "the kernel running is 6.1.0-31-amd64 on stg-app1, in production 6.1.0-30-amd64 (1), 6.1.0-31-amd64 (1)"
    )
    assert (found.score, found.passed) == (100, True)
    assert "the kernel running" in found.sentence, "whoever approves reads it"

    declared = Expected("kernel", "running", "production is rebooted on Sundays", "app")
    found = look(replace(rules, expected=(*rules.expected, declared)), *two, kernels=kernels)
    (kernel,) = [one for one in found.differences if one.kind == "kernel"]
    assert kernel.declared == "production is rebooted on Sundays"
    assert found.undeclared == ()


@pytest.mark.parametrize("kernels", [{}, {"app1": "6.1", "stg-app1": "6.1"}, {"app1": "6.1"}, {"stg-app1": "6.1"}])
def test_equal_kernels_and_those_that_nobody_knows_are_no_difference(rules: ParityPolicy, kernels: dict[str, str]) -> None:
    assert {one.kind for one in look(rules, kernels=kernels).differences} == {"configuration"}


def test_a_dropped_flow_fails_at_a_perfect_score(rules: ParityPolicy) -> None:
    found = look(rules, staging=stg(flows={FLOW: "Connection refused"}), touched=["acme-portal"])
    assert found.score == 100
    assert not found.passed
    with pytest.raises(
        ParityError, match=r"stg-app1 does not reach the flow app to db 5432/tcp \(Connection refused\)"
    ):
        found.require_passed()


def test_a_flow_nobody_asked_for_is_no_reached_flow(rules: ParityPolicy) -> None:
    assert "no host that plays its upstream" in look(rules, staging=stg(flows={})).hard[0].sentence
    assert not look(rules, host(flows={FLOW: "timed out"})).passed  # the declaration or production is wrong


@pytest.mark.parametrize("package", ["acme-portal", "python3", "libssl3"])
def test_another_version_of_what_the_campaign_touches_or_needs_fails(rules: ParityPolicy, package: str) -> None:
    changed = stg(items={"packages": {package: "99"}})
    found = look(rules, staging=changed, touched=["acme-portal"])
    assert found.score is not None
    assert found.score > 99
    assert [one.item for one in found.hard] == [package]
    assert look(rules, staging=changed, touched=["tzdata"]).passed  # elsewhere it is a difference, and not hard
    assert look(rules, staging=changed, touched=["acme-portal"], matters=False).passed  # a role that stays as it is


def test_without_a_campaign_every_version_counts(rules: ParityPolicy) -> None:
    assert not look(rules, staging=stg(items={"packages": {"package7": "1.1"}})).passed
    assert not look(rules, staging=stg(items={"packages": {"package7": None}})).passed
    assert not look(rules, staging=stg(items={"packages": {"new": "1"}})).passed


def test_a_declaration_never_covers_what_the_campaign_changes(rules: ParityPolicy) -> None:
    document = yaml.safe_load((POLICY / "parity.yaml").read_text("utf-8"))
    document["expected"].append({"kind": "packages", "item": "acme-*", "reason": "staging tries the next version"})
    lax = ParityPolicy.from_document(load_text(yaml.safe_dump(document), "parity"))
    changed = stg(items={"packages": {"acme-portal": "1.0.1"}})
    assert look(lax, staging=changed).passed
    found = look(lax, staging=changed, touched=["acme-portal"])
    assert not found.passed
    assert found.hard[0].declared is None


def test_the_score_falls_with_what_differs_and_the_floor_holds(rules: ParityPolicy) -> None:
    scores = []
    for count in (0, 5, 20, 60):
        files = {f"/etc/part{n}.conf": "0644 root:root other" for n in range(count)}
        found = look(rules, staging=stg(items={"configuration": files}), touched=[])
        assert found.score is not None
        scores.append(found.score)
        assert found.passed == (found.score >= rules.floor)
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 100
    assert scores[1] == pytest.approx(100 - 25 * 0.05)
    assert scores[-1] == pytest.approx(100 - 25 * 0.60)  # 60 of 100 files, which weigh 25 of 100


@pytest.mark.parametrize(
    ("kind", "item", "value", "told"),
    [
        ("units", "acme-portal.service", "enabled, failed", "is enabled, failed on stg-app1"),
        ("units", "ssh.service", None, "stg-app1 lacks the unit ssh.service"),
        ("ports", "tcp/6666 any", "nc", "stg-app1 has the port tcp/6666 any (nc), production has not"),
        ("configuration", "/etc/part1.conf", "0600 root:root x", "the file /etc/part1.conf of stg-app1 is not that of"),
        ("dependencies", "acme-portal.service needs system.slice", None, "is not on stg-app1"),
    ],
)
def test_every_kind_is_told_in_a_sentence(
    rules: ParityPolicy, kind: str, item: str, value: str | None, told: str
) -> None:
    found = look(rules, staging=stg(items={kind: {item: value}}), touched=[])
    assert any(told in one.sentence for one in found.undeclared)


def test_hosts_of_production_that_differ_among_themselves_count_by_their_share(rules: ParityPolicy) -> None:
    other = host("app2", items={"packages": {"package7": "1.1"}})
    half = look(rules, host(), other, touched=[])
    whole = look(rules, other, replace(other, host="app3"), touched=[])
    assert half.score is not None
    assert whole.score is not None
    assert 100 > half.score > whole.score
    assert not look(
        rules, host(), host("app2", items={"packages": {"acme-portal": "2"}}), touched=["acme-portal"]
    ).passed


def test_no_facts_stale_facts_and_empty_facts_are_never_alike(rules: ParityPolicy) -> None:
    for found in (
        look(rules, missing={"app2": "unreachable"}),
        look(rules, now=NOW + rules.max_age + timedelta(minutes=1)),
        look(rules, now=NOW - rules.max_age - timedelta(minutes=1)),
        look(rules, staging=replace(stg(), items={**stg().items, "packages": {}})),
        compare(rules, [], now=NOW),
        compare(rules, [RoleFacts("app", (), (stg(),), {}, 0, ())], now=NOW),
        compare(rules, [RoleFacts("app", (host(),), (), {}, 1, ())], now=NOW),
    ):
        assert found.score is None
        assert not found.passed
        with pytest.raises(NotComparableError) as caught:
            found.require_passed()
        assert caught.value.retryable


def test_staging_that_speaks_to_production_and_a_dependency_without_a_flow_fail(rules: ParityPolicy) -> None:
    talking = stg(foreign=(ForeignConnection("db1", 5432, "acme-portal.service"),))
    assert "is connected to db1:5432, which is production" in look(rules, staging=talking).hard[0].sentence
    assert not look(rules, gaps=["web depends on data, and parity.yaml declares no flow"]).passed


def test_the_closure_goes_through_virtual_packages() -> None:
    assert closure(["postfix"], [host()]) == {"postfix", "mail-transport", "mail-agent"}
    assert closure(["acme-portal"], [host()]) == {"acme-portal", "python3", "libssl3"}


# Who is compared with whom

LAB = {
    "all": {
        "children": {
            "app": {"hosts": {f"app{n}": {} for n in range(1, 7)}},
            "db": {"hosts": {"db1": {}}},
            "lb": {"hosts": {"lb1": {}}},
            "staging_app": {"hosts": {"stg-app1": {}}},
            "staging_db": {"hosts": {"stg-db1": {}}},
            "production": {"hosts": {name: {} for name in (*(f"app{n}" for n in range(1, 7)), "db1", "lb1")}},
            "staging": {"hosts": {"stg-app1": {}, "stg-db1": {}}},
        }
    }
}


def test_the_campaigns_own_hosts_are_asked_first_and_the_choice_is_stable(rules: ParityPolicy) -> None:
    assets, inventory = AssetRegister.load(POLICY), Inventory.parse(LAB)
    few = replace(rules, hosts_per_role=3)
    question = pose(few, assets, inventory, "web", first=("app5", "app2"))
    assert {"app2", "app5"} < set(question.asked["app"])
    assert len(question.asked["app"]) == 3
    assert question == pose(few, assets, inventory, "web", first=("app5", "app2"))
    assert question.own_roles == {"app"}
    assert question.gaps == ()
    assert "lb" not in question.asked
    with pytest.raises(BadInputError, match="no staging group"):
        pose(rules, assets, inventory, "edge")


def test_a_staging_host_without_a_role_and_a_missing_flow_are_seen(rules: ParityPolicy) -> None:
    assets, inventory = AssetRegister.load(POLICY), Inventory.parse(LAB)
    no_db = replace(rules, roles=rules.roles[:1])
    assert pose(no_db, assets, inventory, "web").strangers == ("stg-db1",)
    no_flow = replace(rules, roles=(replace(rules.roles[0], flows=()), rules.roles[1]))
    assert pose(no_flow, assets, inventory, "web").gaps == (
        "web depends on data, and parity.yaml declares no flow between their roles",
    )


def test_only_the_mirror_of_what_was_patched_follows_production(rules: ParityPolicy) -> None:
    def plan(*production: str) -> CampaignPlan:
        rings = {Ring.STAGING: ("stg-app1", "stg-db1"), Ring.CANARY: production}
        return CampaignPlan("web", "debian", "nightly", rings, ())

    inventory = Inventory.parse(LAB)
    assert followers(rules, inventory, plan("app1", "app2")) == ("stg-app1",)
    assert followers(rules, inventory, plan("app1", "db1")) == ("stg-app1", "stg-db1")


# The policy


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d["roles"][0]["flows"][0].update(to="queue"), "'queue', which is not declared"),
        (lambda d: d["traffic"][0].update(keep_headers=["Cookie"]), "holds credentials"),
        (lambda d: d["traffic"][0].update(methods=["GET", "POST"]), "POST without a body"),
        (lambda d: d["roles"].append(d["roles"][0]), "'app' twice"),
        (lambda d: d.update(flor=3), "has no key 'flor'"),
        (lambda d: d["expected"][0].update(kind="flows"), "is not one of"),
        (lambda d: d["traffic"][0]["record"].update(file="/var/log/x"), "valid under each of"),
    ],
)
def test_a_policy_that_would_weaken_the_gate_is_refused(change: Any, told: str) -> None:
    document = yaml.safe_load((POLICY / "parity.yaml").read_text("utf-8"))
    change(document)

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    with pytest.raises((PolicyError, BadInputError)) as caught:
        ParityPolicy.from_document(load_text(yaml.dump(document, Dumper=Plain), "parity"))
    assert told in str(caught.value)
