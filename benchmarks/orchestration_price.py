"""What orchestration costs: `SUTURE_HOME=… python benchmarks/orchestration_price.py [--campaign SUT-2026-0001]`.

Takes a campaign that Suture has rolled out (its time from the first move to the last, the judges' watching taken out), puts
its production hosts back with the same playbooks, and then runs `ansible-playbook` by itself: the same playbooks with the
same variables on the same hosts in the same batches, and nothing between them. Prints both times and their ratio.

It changes the hosts of the practice fleet (back, and forward again to the same versions): never run it on a fleet that serves.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "include"), str(ROOT)]

from suture.campaign import Campaign, CampaignState, fetch_campaign
from suture.command.airflow_api import AirflowApi
from suture.command.installation import read
from suture.model import PRODUCTION_RINGS
from suture.runner.ansible import PLAYBOOKS, SSH_ARGS
from suture.runner.briefs import Policies, write_brief
from suture.runner.interface import Phase
from suture.runner.inventory import Inventory
from suture.runner.unsafe import wrapped
from suture.settings import Settings
from suture.store import Store, leases, steps

HOLDER = "benchmark: orchestration_price"


def orchestrated(store: Store, api: AirflowApi, campaign: Campaign) -> tuple[float, float]:
    """Seconds from the first patch's start to `verified`, and how many of them a judge was watching."""
    rows = store.fetch_all("evidence/list_evidence", {"campaign_id": campaign.campaign_id})
    moves = {row["grounds"]["to"]: row["recorded_at"] for row in rows if row["action"] == "campaign_moved"}
    started, ended = moves[CampaignState.ROLLING_OUT.value], moves[CampaignState.VERIFIED.value]
    runs = api.get("dags/canary_rollout/dagRuns", partition_key_pattern=campaign.campaign_id)["dag_runs"]
    run_id = max(runs, key=lambda run: run["start_date"] or "")["dag_run_id"]
    tasks = api.get(f"dags/canary_rollout/dagRuns/{run_id}/taskInstances")["task_instances"]
    begun = {task["task_id"]: datetime.fromisoformat(task["start_date"]) for task in tasks if task["start_date"]}
    watched = 0.0
    for verdict in store.fetch_all("report/list_report_verdicts", {"campaign_id": campaign.campaign_id}):
        watched += max(0.0, (verdict["judged_at"] - begun[f"judge_{verdict['ring']}"]).total_seconds())
    return (ended - started).total_seconds(), watched


def batches(store: Store, campaign: Campaign) -> list[tuple[Phase, list[str]]]:
    """The rollout's playbook runs in their order: hosts that were begun together were one run."""
    found: list[tuple[Phase, list[str]]] = []
    known = steps.list_steps(store, campaign.campaign_id, campaign.plan_hash)
    for ring in PRODUCTION_RINGS:
        for phase in (Phase.PATCH, Phase.VERIFY):
            of_ring = [step for step in known if step.step == phase.value and step.host_id in campaign.plan.hosts(ring)]
            size = max(1, campaign.plan.max_unavailable if phase is Phase.PATCH else len(of_ring))
            hosts = [step.host_id for step in sorted(of_ring, key=lambda step: (step.started_at, step.host_id))]
            found += [(phase, hosts[at : at + size]) for at in range(0, len(hosts), size)]
    return found


def run_bare(store: Store, settings: Settings, campaign: Campaign, phase: Phase, hosts: list[str], forks: int) -> float:
    """Seconds of one ansible-playbook process. Leases are taken before the clock starts: hosts want a newer token."""
    inventory = Inventory.load(settings.inventory_path)
    granted = leases.acquire_all(store, hosts, holder=HOLDER, campaign_id=campaign.campaign_id)
    groups = {host.name: host.groups for host in inventory.hosts.values()}
    brief = write_brief(
        phase=phase, campaign_id=campaign.campaign_id, plan=campaign.plan, leases=granted, inventory_groups=groups,
        policies=Policies.load(settings), settings=settings,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="sob") as folder:
        private = Path(folder)
        (private / "ansible.cfg").write_text("", "utf-8")
        (private / "hosts.json").write_text(json.dumps(inventory.as_ansible()), "utf-8")
        (private / "vars.json").write_text(json.dumps({"suture": wrapped(dict(brief))}), "utf-8")
        env = {
            **os.environ, "ANSIBLE_CONFIG": str(private / "ansible.cfg"), "ANSIBLE_HOME": str(private / "home"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": folder, "ANSIBLE_SSH_ARGS": SSH_ARGS, "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3", "ANSIBLE_NOCOLOR": "1", "ANSIBLE_TIMEOUT": "15",
        }  # fmt: skip
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(private / "hosts.json"),
            "--limit", ",".join(hosts), "-e", f"@{private / 'vars.json'}", "--forks", str(min(forks, len(hosts))),
            f"{phase.value}.yml",
        ]  # fmt: skip
        started = time.monotonic()
        done = subprocess.run(command, cwd=PLAYBOOKS, env=env, capture_output=True, text=True, check=False)
        took = time.monotonic() - started
    leases.release(store, list(granted.values()))
    if done.returncode != 0:
        raise SystemExit(f"{phase} on {', '.join(hosts)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-1000:]}")
    return took


def forget_downloads(settings: Settings, campaign: Campaign, host: str) -> None:
    """What the first rollout left on the host and the second would find: fetched packages, the way back it packed."""
    ssh = ["ssh", "-F", str(settings.home / "lab" / "ssh_config"), host]
    kept = f"/var/cache/suture/rollback/{campaign.campaign_id}"
    subprocess.run([*ssh, "apt-get", "clean"], check=True, capture_output=True)
    subprocess.run([*ssh, "rm", "-rf", kept], check=True, capture_output=True)


def newest_verified(store: Store) -> str:
    rows = store.fetch_all("campaign/list_campaigns", {"state": CampaignState.CLOSED.value})
    if not rows:
        raise SystemExit("No campaign of this installation is closed: run ./suture demo first.")
    return str(rows[-1]["campaign_id"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--campaign", help="a closed campaign (default: the newest)")
    parser.add_argument("--forks", type=int, default=10, help="as Suture's own runs have (default: 10)")
    wanted = parser.parse_args()
    settings = Settings.load()
    here = read(settings.home)
    if here is None:
        raise SystemExit("No installation here: run ./suture demo first, or name its state folder in SUTURE_HOME.")
    with Store.connect(settings.require_warehouse(), application_name="benchmark") as store:
        campaign = fetch_campaign(store, wanted.campaign or newest_verified(store))
        if campaign.state is not CampaignState.CLOSED:
            raise SystemExit(f"{campaign.campaign_id} is {campaign.state}: it takes a closed campaign.")
        whole, watched = orchestrated(store, AirflowApi(here.ui_url, here.secrets_dir), campaign)
        runs = batches(store, campaign)
        print(f"{campaign.campaign_id}: {len(campaign.plan.packages)} packages, {len(campaign.plan.production_hosts)} hosts, "
              f"{len(runs)} playbook runs")  # fmt: skip
        print(f"  Suture, start_rollout to verified     {whole:8.1f} s, of which a judge watched {watched:.1f} s")
        for host in campaign.plan.production_hosts:
            run_bare(store, settings, campaign, Phase.RESTORE, [host], wanted.forks)
            run_bare(store, settings, campaign, Phase.RELEASE, [host], wanted.forks)
            forget_downloads(settings, campaign, host)
        bare = sum(run_bare(store, settings, campaign, phase, hosts, wanted.forks) for phase, hosts in runs)
    print(f"  ansible-playbook alone                {bare:8.1f} s")
    print(f"  ratio without the judges' watching    {(whole - watched) / bare:8.2f}")


if __name__ == "__main__":
    main()
