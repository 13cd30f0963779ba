"""What a run tells its hosts: the `suture` variable of the playbooks, made of plan, policies, leases and inventory."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suture.errors import BadInputError
from suture.model import CampaignPlan
from suture.model.assets import AssetRegister
from suture.model.services import ServiceRegister
from suture.runner.interface import Phase
from suture.runner.names import require_campaign_id, require_packages
from suture.settings import Settings
from suture.store.leases import Lease

REPOSITORY_URL_VARIABLE = "SUTURE_REPOSITORY_URL"
BACKUP_PASSWORD_FILE = "restic.password"  # noqa: S105 - a file's name
# Behind a fence a host reaches no other: only what it does alone can be asked.
FENCED_PHASES = frozenset({Phase.RESTORE, Phase.DATA_CHECK})


@dataclass(frozen=True)
class HostRepository:
    """The internal repository as hosts reach it. key: OpenPGP public key, binary or armoured."""

    uri: str
    suite: str
    component: str
    origin: str
    key: bytes

    @classmethod
    def load(cls, settings: Settings, environ: Mapping[str, str] | None = None) -> HostRepository:
        """From SUTURE_REPOSITORY_URL, else the practice fleet's own description. Raises BadInputError."""
        uri = (os.environ if environ is None else environ).get(REPOSITORY_URL_VARIABLE) or _fleet_url(settings)
        keyring = settings.repository_dir / "public" / "suture-internal.gpg"
        if uri is None:
            raise BadInputError(
                "The address at which hosts reach the internal repository is not known.",
                remedy=f"Serve {settings.repository_dir / 'public'} over HTTP and set {REPOSITORY_URL_VARIABLE} to it.",
            )
        if not keyring.exists():
            raise BadInputError(
                f"{keyring} is missing: the internal repository was not set up yet.",
                remedy="Run signature_validation for a campaign first; it makes the repository and its key.",
            )
        return cls(uri.rstrip("/"), "suture", "main", "Suture", keyring.read_bytes())

    def as_json(self, *, quarantine: bool = False) -> dict[str, Any]:
        """quarantine: the host also reads the repository of patches out of band, for as long as this campaign acts on it."""
        return {
            "uri": self.uri,
            "more_uris": [f"{self.uri}/quarantine"] if quarantine else [],
            "suite": self.suite,
            "component": self.component,
            "origin": self.origin,
            "key_base64": base64.b64encode(self.key).decode(),
            "direct": True,
        }


@dataclass(frozen=True)
class Policies:
    assets: AssetRegister
    services: ServiceRegister

    @classmethod
    def load(cls, settings: Settings) -> Policies:
        return cls(AssetRegister.load(settings.policy_dir), ServiceRegister.load(settings.policy_dir))


def write_brief(
    *,
    phase: Phase,
    campaign_id: str,
    plan: CampaignPlan,
    leases: Mapping[str, Lease],
    inventory_groups: Mapping[str, Sequence[str]],
    policies: Policies,
    settings: Settings,
) -> dict[str, Any]:
    """The variables for these hosts (those of `leases`). Raises BadInputError for names that no standard allows."""
    packages = [{"package": p.package, "version": p.version} for p in plan.packages]
    require_packages(packages)
    brief: dict[str, Any] = {
        "campaign_id": require_campaign_id(campaign_id),
        "packages": packages,
        "hosts": {
            host: _host_brief(phase, lease, tuple(inventory_groups.get(host, ())), policies, inventory_groups)
            for host, lease in leases.items()
        },
    }
    if phase in (Phase.ENROLL, Phase.PREFLIGHT, Phase.PATCH):
        # To enroll is to read the internal repository alone; that is also how a hotfix's hosts leave the quarantine.
        quarantine = plan.in_quarantine and phase is not Phase.ENROLL
        brief["repository"] = HostRepository.load(settings).as_json(quarantine=quarantine)
    if phase is Phase.BACKUP:
        brief["backup_password"] = backup_password(settings)
    return brief


def backup_password(settings: Settings) -> str:
    """The password of the backups, made at first use (secrets/restic.password, mode 600)."""
    path = settings.secrets_dir / BACKUP_PASSWORD_FILE
    if not path.exists():
        settings.secrets_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return backup_password(settings)  # another process was first: take its password
        with os.fdopen(handle, "wb") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(32)))
    return path.read_text("utf-8").strip()


def _host_brief(
    phase: Phase,
    lease: Lease,
    groups: tuple[str, ...],
    policies: Policies,
    inventory_groups: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    owner = policies.assets.owner_of(groups)
    service = owner.service if owner else None
    balancer = owner.load_balancer if owner else None
    return {
        "token": lease.token,
        "holder": lease.holder,
        "checks": policies.services.checks(service, groups, standalone=phase in FENCED_PHASES),
        "backup_paths": policies.services.backup_paths(service, groups),
        "balancers": sorted(h for h, g in inventory_groups.items() if balancer and balancer.group in g),
        "backend": balancer.backend if balancer else "",
    }


def _fleet_url(settings: Settings) -> str | None:
    path = settings.home / "lab" / "lab.json"
    if not path.exists():
        return None
    found = json.loads(path.read_text("utf-8")).get("repository_url_for_hosts")
    return str(found) if found else None
