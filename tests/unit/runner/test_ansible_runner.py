"""The real Ansible on this machine (connection: local), with playbooks of the test's own: what it leaves, what it
evaluates."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from suture.runner.ansible import AnsibleRunner
from suture.runner.interface import Phase, PlaybookRun, RunCancelledError, RunnerError
from suture.settings import PROJECT_ROOT

SLEEP = """
- hosts: all
  gather_facts: false
  tasks:
    - name: sleep | Sleep in a session of its own
      ansible.builtin.command: setsid sleep 4242.{number}
"""
ECHO = """
- hosts: all
  gather_facts: false
  tasks:
    - name: echo | Hand back what came
      ansible.builtin.command:
        argv: [echo, "{{ suture.text }}", "{{ danger | default('') }}"]
      register: echo
    - name: echo | Report
      ansible.builtin.set_stats:
        data: >-
          {{ {'suture_report': {inventory_hostname: {'phase': 'enroll', 'status': 'done', 'reason': '',
              'paths': [echo.stdout, suture.text]}}} }}
"""
NOTHING = """
- hosts: all
  gather_facts: false
  tasks:
    - name: nothing | Say nothing
      ansible.builtin.meta: noop
"""


def make(tmp_path: Path, text: str, *, extra: str = "") -> AnsibleRunner:
    (tmp_path / "enroll.yml").write_text(text, "utf-8")
    inventory = tmp_path / "hosts.yaml"
    variables = f"ansible_connection: local, ansible_python_interpreter: {sys.executable}{extra}"
    inventory.write_text(f"all: {{hosts: {{here: {{{variables}}}}}}}", "utf-8")
    return AnsibleRunner(inventory, playbooks=tmp_path)


def sleepers(number: int) -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if f"4242.{number}" in " ".join(p.info["cmdline"] or [])]


def until(condition: object, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.1)


RUN = PlaybookRun(Phase.ENROLL, ("here",), {"text": "plain"})


def test_nothing_that_comes_from_outside_is_evaluated(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    hostile = f"{{{{ lookup('pipe', 'touch {canary}') }}}}; $(touch {canary}) `touch {canary}`"
    runner = make(tmp_path, ECHO, extra=f', danger: "{hostile}"')
    result = runner.run(PlaybookRun(Phase.ENROLL, ("here",), {"text": hostile}))
    assert result.reports["here"]["paths"] == [f"{hostile} {hostile}", hostile]
    assert not canary.exists()


def test_a_host_without_a_report_has_failed(tmp_path: Path) -> None:
    result = make(tmp_path, NOTHING).run(RUN)
    assert (result.rc, result.failed) == (0, {"here": "it handed over no report"})


def test_a_playbook_that_cannot_start_is_no_hosts_fault(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="could not run the phase"):
        make(tmp_path, "- hosts: all\n  tasks: [{no_such_module: }]\n").run(RUN)


def test_a_host_that_the_inventory_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunnerError, match="not in the inventory"):
        make(tmp_path, NOTHING).run(PlaybookRun(Phase.ENROLL, ("elsewhere",)))


def test_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    number = os.getpid() * 10 + 1
    runner = make(tmp_path, SLEEP.replace("{number}", str(number)))
    ended: list[BaseException] = []

    def go() -> None:
        try:
            runner.run(RUN)
        except RunCancelledError as error:
            ended.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    until(lambda: sleepers(number))
    started = time.monotonic()
    runner.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert ended
    assert sleepers(number) == []
    assert time.monotonic() - started < 15


def test_what_a_tick_raises_stops_the_run_and_is_raised(tmp_path: Path) -> None:
    number = os.getpid() * 10 + 2
    runner = make(tmp_path, SLEEP.replace("{number}", str(number)))

    def lost() -> None:
        if sleepers(number):
            raise KeyError("the lease")

    with pytest.raises(KeyError, match="the lease"):
        runner.run(RUN, tick=lost)
    assert sleepers(number) == []


def test_a_killed_task_ends_what_it_started(tmp_path: Path) -> None:
    """As Airflow does it: a SIGTERM handler of the task's process calls on_kill, and the process ends."""
    number = os.getpid() * 10 + 3
    make(tmp_path, SLEEP.replace("{number}", str(number)))
    task = tmp_path / "task.py"
    task.write_text(
        f"""
import signal, sys
from pathlib import Path
from suture.runner.ansible import AnsibleRunner
from suture.runner.interface import Phase, PlaybookRun
folder = Path({str(tmp_path)!r})
runner = AnsibleRunner(folder / "hosts.yaml", playbooks=folder)
def on_kill(*_):
    runner.stop()
    sys.exit(3)
signal.signal(signal.SIGTERM, on_kill)
runner.run(PlaybookRun(Phase.ENROLL, ("here",), {{"text": ""}}))
""",
        "utf-8",
    )
    process = subprocess.Popen([sys.executable, str(task)], env={**os.environ, "PYTHONPATH": f"{PROJECT_ROOT}/include"})
    until(lambda: sleepers(number))
    mine = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 3
    assert [p for p in mine if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert sleepers(number) == []
