"""The fleet as it really is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from suture.errors import SutureError
from suture.inventory.collect import collect
from suture.inventory.component_policy import ComponentPolicy
from suture.model.assets import AssetRegister
from suture.settings import Settings
from suture_airflow.translation import translated
from suture_airflow.warehouse import open_store


class NoHostAnsweredError(SutureError):
    """Nothing could be read from any host: what is known of them only grows older."""

    retryable = True


@translated
def collect_hosts(context: Any) -> dict[str, int]:  # noqa: ARG001 - every stage's task hands its context over
    """Ask every managed host; how many answered, did not, or belong to nobody."""
    from suture.runner.ansible import AnsibleRunner

    settings = Settings.load()
    with open_store() as store:
        found = collect(
            store,
            AnsibleRunner(settings.inventory_path),
            AssetRegister.load(settings.policy_dir),
            now=datetime.now(UTC),
            log=print,
            components=ComponentPolicy.load(settings.policy_dir),
        )
    if not found.collected:
        why = "; ".join(f"{host}: {reason}" for host, reason in sorted(found.unreachable.items())[:5])
        raise NoHostAnsweredError(f"No host of {settings.inventory_path} answered. {why}", remedy="See `./suture doctor`.")
    return found.counts()
