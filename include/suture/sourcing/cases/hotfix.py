"""From an offered hotfix to a campaign, and from a hotfix in place to the regular release that replaces it.

The rules:

1. The vendor's word names a version; what that version is, the proven index of the hotfix source says. A source that does not
   prove ends the offer as refused, before any campaign.
2. The campaign goes the way of every campaign: proof and examination again at its intake, staging, two releases, window, rings.
   What differs is the scope (the case's hosts), the way in (the quarantine repository, which only these hosts read, and only
   for this campaign) and the priority (immediate).
3. Every binary package of the source that is installed on the case's hosts goes along, in the hotfix's version; it must be newer
   than what is installed. A package on hold is left alone.
4. A hotfix in place is replaced by the first regular release that is newer by the ecosystem's order, on every host that has it;
   a campaign for that is planned where nothing else already brings it. Then the hotfix is retired for good.
5. A hotfix that is refused after its intake is taken out of quarantine, so that no host can ask for it; that is evidence.
6. A regular release that was retired is passed over. One whose campaign was stopped (refused, failed on staging, declined, rolled
   back) is said once and not planned again by itself: a person gives that campaign up, or the vendor releases another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cmp_to_key
from typing import Any

from suture.campaign import CampaignState, create_campaign, fetch_campaign, next_campaign_id
from suture.errors import BadInputError
from suture.inventory.debian_version import compare
from suture.model import CampaignPlan, PlannedPackage, Priority, Ring
from suture.model.assets import AssetGroup, AssetRegister
from suture.model.plan import QUARANTINE
from suture.settings import Settings
from suture.sourcing.cases.case import Case, add_event, list_cases, move_case
from suture.sourcing.cases.states import CaseError, CaseState
from suture.sourcing.cases.vendors import VendorRegister
from suture.sourcing.intake import ReadOnlySeen
from suture.sourcing.packages import PackageList
from suture.sourcing.refusal import Refusal
from suture.sourcing.repository import Adoption, verify_repository
from suture.sourcing.retirement import retire, withdraw_hotfix
from suture.sourcing.source import load_source
from suture.sourcing.transport import transport_for
from suture.store import Store, sources
from suture.store.hosts import staging_hosts

RingPlan = Callable[[AssetGroup, Sequence[str]], Mapping[Ring, tuple[str, ...]]]
ROLL_OUT_WITHIN = timedelta(hours=24)
ACTOR = "suture:emergency_patch"
STOPPED = frozenset(
    {CampaignState.REJECTED, CampaignState.TEST_FAILED, CampaignState.DECLINED, CampaignState.ROLLED_BACK}
)


def plan_hotfix(store: Store, settings: Settings, case: Case, *, ring_plan: RingPlan, now: datetime) -> Case:
    """Plan the campaign of an offered hotfix; the case: rolling_out with its campaign, or refused with the reason.

    Raises Refusal with reason unreachable (retryable), CaseError when the case offers nothing.
    """
    if case.state is not CaseState.OFFERED or case.hotfix_version is None or case.hotfix_source is None:
        raise CaseError(f"{case.case_id} is {case.state}: there is no hotfix to plan.")
    try:
        proven = _proven(store, settings, case.hotfix_source, now)
        packages = _packages(store, case, proven.packages, case.hotfix_version, case.asset_group, case.host_ids)
    except Refusal as refusal:
        if refusal.retryable:
            raise
        return _refuse(store, case, f"Its source does not prove ({refusal.reason}): {refusal.sentence}", now)
    except BadInputError as error:
        return _refuse(store, case, error.message, now)
    with store.transaction():
        campaign_id = _create(
            store, settings, case, packages, source=case.hotfix_source, hosts=case.host_ids, ring_plan=ring_plan, now=now,
            title=f"Hotfix {case.source_package} {case.hotfix_version} for {case.asset_group} ({case.case_id})",
            reasons=[
                f"{case.case_id}: {case.source_package} {case.hotfix_version} out of band from {case.hotfix_source}, asked for by "
                f"{case.opened_by}.",
                f"Only {len(case.host_ids)} of the group's hosts read it, from the quarantine repository, until the regular "
                "release replaces it.",
            ],
            extra={"case_id": case.case_id, "repository": QUARANTINE, "from_version": _newest_installed(store, case)},
        )  # fmt: skip
        return move_case(
            store, case, CaseState.ROLLING_OUT, kind="planned", actor=ACTOR, at=now, campaign_id=campaign_id,
            reason=f"{campaign_id} brings {case.source_package} {case.hotfix_version} through the gates.",
        )  # fmt: skip


def follow_campaign(store: Store, settings: Settings, case: Case, *, now: datetime) -> Case:
    """Move a case by what became of its campaign; unchanged while that is under way. A hotfix in place can be rolled back, too.

    A refused hotfix is taken out of quarantine first: where that fails, the case stays as it is, and the next run tries again.
    Raises InternalRepositoryError, AptlyError, SigningError.
    """
    if case.state not in (CaseState.ROLLING_OUT, CaseState.IN_PLACE) or case.campaign_id is None:
        return case
    campaign = fetch_campaign(store, case.campaign_id)
    if campaign.state is CampaignState.CLOSED and case.state is CaseState.ROLLING_OUT:
        reason = f"{case.source_package} {case.hotfix_version} is in place; the regular release must replace it."
        return move_case(store, case, CaseState.IN_PLACE, kind="in_place", reason=reason, actor=ACTOR, at=now)
    if campaign.state in STOPPED or campaign.state is CampaignState.SUPERSEDED:
        reason = f"{campaign.campaign_id} is {campaign.state.replace('_', ' ')}: {campaign.state_reason}"
        with store.transaction():
            return _refuse(store, case, f"{reason} {_out_of_quarantine(store, settings, case, reason, now)}".strip(), now)
    return case


def _out_of_quarantine(store: Store, settings: Settings, case: Case, reason: str, now: datetime) -> str:
    """Withdraw the case's refused hotfix, unless another case still rolls the same version out; a sentence, '' for none there."""
    assert case.campaign_id is not None
    assert case.hotfix_version is not None
    wanted = (case.source_package, case.hotfix_version)
    for other in list_cases(store):
        is_live = other.state in (CaseState.ROLLING_OUT, CaseState.IN_PLACE)
        if is_live and other.case_id != case.case_id and (other.source_package, other.hotfix_version) == wanted:
            return f"It stays in quarantine for the hosts of {other.case_id}."
    gone = withdraw_hotfix(
        store, settings, source_package=case.source_package, source_version=case.hotfix_version, campaign_id=case.campaign_id,
        packages=fetch_campaign(store, case.campaign_id).plan.packages, reason=reason, actor=ACTOR, now=now,
    )  # fmt: skip
    return "The hotfix was taken out of the quarantine repository." if gone else ""


def replace_hotfix(
    store: Store, settings: Settings, register: VendorRegister, case: Case, *, ring_plan: RingPlan, now: datetime
) -> tuple[Case, str | None]:
    """One step towards the regular release: (the case, the id of a campaign planned just now or None).

    Retires the hotfix and ends the case once no host has it any more. Raises Refusal with reason unreachable.
    """
    if case.state is not CaseState.IN_PLACE or case.campaign_id is None or case.hotfix_version is None:
        return case, None
    rows = store.fetch_all(
        "vendor_case/list_hotfix_hosts", {"campaign_id": case.campaign_id, "source_package": case.source_package}
    )
    still = sorted(
        {
            row["host_id"]
            for row in rows
            if row["version"] is not None and compare(row["version"], case.hotfix_version) <= 0
        }
    )
    if not still:
        retire(
            store, settings, source_package=case.source_package, source_version=case.hotfix_version,
            campaign_id=case.campaign_id, reason=f"The regular release replaced this hotfix ({case.case_id}).", actor=ACTOR, now=now,
        )  # fmt: skip
        reason = f"The regular release is on every host that had {case.hotfix_version}; the hotfix is retired."
        return move_case(store, case, CaseState.REPLACED, kind="replaced", reason=reason, actor=ACTOR, at=now), None
    if _under_way(store, case):
        return case, None
    production = [host for host in still if host in case.host_ids]
    return case, _plan_replacement(store, settings, register, case, production, ring_plan=ring_plan, now=now)


def _plan_replacement(
    store: Store,
    settings: Settings,
    register: VendorRegister,
    case: Case,
    hosts: Sequence[str],
    *,
    ring_plan: RingPlan,
    now: datetime,
) -> str | None:
    assert case.hotfix_version is not None
    retired = {
        (row.source_package, row.source_version)
        for row in sources.list_retired_versions(store, asset_group=case.asset_group)
    }
    for name in register.vendor(case.vendor).regular_sources:
        proven = _proven(store, settings, name, now)
        offered = {p.source_version for p in proven.packages.of_source(case.source_package)}
        offered = {version for version in offered if (case.source_package, version) not in retired}
        newest = max(offered, key=cmp_to_key(compare), default=None)
        if newest is None or compare(newest, case.hotfix_version) == 0:
            continue
        if compare(newest, case.hotfix_version) < 0:
            if compare(newest, _version_before(store, case)) > 0:
                add_event(
                    store, case.case_id, kind="sorts_older", actor=ACTOR, at=now, marker=f"sorts_older:{newest}",
                    sentence=f"{name} offers {newest}, which sorts before the hotfix {case.hotfix_version}: hosts would not take "
                    "it. Ask the vendor for a release that sorts after it.",
                )  # fmt: skip
            continue
        if not hosts or _was_stopped(store, case, newest, now):
            return None
        packages = _packages(store, case, proven.packages, newest, case.asset_group, hosts)
        with store.transaction():
            campaign_id = _create(
                store, settings, case, packages, source=name, hosts=hosts, ring_plan=ring_plan, now=now,
                title=f"{case.source_package} {newest} for {case.asset_group}: replaces the hotfix of {case.case_id}",
                reasons=[f"{case.case_id}: the regular release {newest} of {name} replaces the hotfix {case.hotfix_version}."],
                extra={"case_id": case.case_id},
            )  # fmt: skip
            store.execute(
                "vendor_case/set_replacement", {"case_id": case.case_id, "campaign_id": campaign_id, "at": now}
            )
            add_event(
                store, case.case_id, kind="replacement_planned", actor=ACTOR, at=now,
                sentence=f"{campaign_id} brings the regular release {newest}.", details={"campaign_id": campaign_id},
            )  # fmt: skip
        return campaign_id
    return None


def _was_stopped(store: Store, case: Case, version: str, now: datetime) -> bool:
    """Whether the last campaign that was to replace the hotfix brought this version and was stopped; says so in the case, once."""
    if case.replacement_campaign_id is None:
        return False
    last = fetch_campaign(store, case.replacement_campaign_id)
    if last.state not in STOPPED or version not in {package.source_version for package in last.plan.packages}:
        return False
    add_event(
        store, case.case_id, kind="replacement_stopped", actor=ACTOR, at=now, marker=f"stopped:{last.campaign_id}",
        sentence=f"{last.campaign_id}, which was to bring {version}, is {last.state.replace('_', ' ')}. It is not planned again by "
        "itself: mend the cause and give that campaign up (campaign_replan), or ask the vendor for another release.",
    )  # fmt: skip
    return True


def _newest_installed(store: Store, case: Case) -> str:
    rows = store.fetch_all(
        "vendor_case/list_product_hosts", {"asset_group": case.asset_group, "source_package": case.source_package}
    )
    return max((str(row["version"]) for row in rows if row["host_id"] in case.host_ids), key=cmp_to_key(compare))


def _version_before(store: Store, case: Case) -> str:
    """The newest version that the case's hosts had when the hotfix was planned."""
    assert case.campaign_id is not None
    return str(fetch_campaign(store, case.campaign_id).plan.extra["from_version"])


def _under_way(store: Store, case: Case) -> bool:
    """Whether a live campaign already brings this source package to the group, by a case or by an advisory."""
    rows = [*store.fetch_all("planning/list_live_sources"), *store.fetch_all("planning/list_hotfix_sources")]
    return any((row["asset_group"], row["source_package"]) == (case.asset_group, case.source_package) for row in rows)


def _proven(store: Store, settings: Settings, name: str, now: datetime) -> Adoption:
    source = load_source(settings.policy_dir, name)
    transport = transport_for(source.address)
    try:
        return verify_repository(source, transport, at=now, seen=ReadOnlySeen(store))
    finally:
        transport.close()


def _packages(
    store: Store,
    case: Case,
    offered: PackageList,
    source_version: str,
    asset_group: str,
    hosts: Sequence[str],
) -> tuple[PlannedPackage, ...]:
    """The source's binary packages that these hosts have, as the proven index offers them. Raises BadInputError."""
    of_source = offered.of_source(case.source_package)
    by_key = {(p.name, p.architecture): p for p in of_source if p.source_version == source_version}
    if not by_key:
        others = sorted({p.source_version for p in of_source})
        raise BadInputError(
            f"The source does not offer {case.source_package} {source_version}; it offers {', '.join(others) or 'no version of it'}."
        )
    rows = store.fetch_all(
        "vendor_case/list_product_hosts", {"asset_group": asset_group, "source_package": case.source_package}
    )
    chosen: dict[tuple[str, str], PlannedPackage] = {}
    for row in rows:
        if row["host_id"] not in hosts or row["held"]:
            continue
        package = by_key.get((row["package"], row["architecture"])) or by_key.get((row["package"], "all"))
        if package is None:
            continue
        if compare(package.version, row["version"]) <= 0:
            raise BadInputError(
                f"{package.name} {package.version} is not newer than {row['version']}, which {row['host_id']} has."
            )
        chosen[package.name, row["architecture"]] = PlannedPackage(
            package=package.name, architecture=row["architecture"], version=package.version,
            source_package=package.source, source_version=package.source_version,
        )  # fmt: skip
    if not chosen:
        raise BadInputError(f"None of the case's hosts has a package of {case.source_package} that could be replaced.")
    return tuple(chosen[key] for key in sorted(chosen))


def _create(
    store: Store,
    settings: Settings,
    case: Case,
    packages: tuple[PlannedPackage, ...],
    *,
    source: str,
    hosts: Sequence[str],
    title: str,
    reasons: Sequence[str],
    extra: Mapping[str, Any],
    ring_plan: RingPlan,
    now: datetime,
) -> str:
    group = AssetRegister.load(settings.policy_dir).group(case.asset_group)
    register = VendorRegister.load(settings.policy_dir)
    campaign_id = next_campaign_id(store, at=now)
    staging = staging_hosts(store, group.staging_group, [case.source_package])
    plan = CampaignPlan(
        asset_group=group.name,
        source=source,
        window_name=register.window if extra.get("repository") else group.window,
        rings={**ring_plan(group, list(hosts)), Ring.STAGING: staging},
        packages=packages,
        max_unavailable=1,
        service=group.service,
        extra=extra,
    )
    create_campaign(
        store, campaign_id=campaign_id, title=title, requested_by=case.opened_by, priority=Priority.IMMEDIATE,
        deadline=now + ROLL_OUT_WITHIN, plan=plan, reasons=reasons, actor=ACTOR, at=now,
    )  # fmt: skip
    return campaign_id


def _refuse(store: Store, case: Case, why: str, now: datetime) -> Case:
    return move_case(store, case, CaseState.REFUSED, kind="refused", reason=why, actor=ACTOR, at=now)
