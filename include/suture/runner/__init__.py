"""Reaching hosts: phases as playbooks, run by Ansible or by the simulator, with leases, steps and evidence around
them."""

from suture.runner.interface import (
    Phase,
    PlaybookResult,
    PlaybookRun,
    RunCancelledError,
    Runner,
    RunnerError,
)

__all__ = ["Phase", "PlaybookResult", "PlaybookRun", "RunCancelledError", "Runner", "RunnerError"]
