"""LocalExecutor whose tasks begin with their libraries imported: what a stage needs costs a task seconds, and a fork nothing.

Airflow forks its workers from the scheduler, and each task from a worker. Only other people's libraries are imported here:
Suture's own code and the DAGs are read by each task as they are on disk then, and are never a mixture of two versions.
"""

from __future__ import annotations

import importlib
import logging
import time

from airflow.executors.local_executor import LocalExecutor

# What the stages import, with the processor seconds that it costs here (0.1 and more), the dearest first.
LIBRARIES = (
    "great_expectations",  # 3.5
    "scipy.stats",  # 1.2
    "lief",  # 0.8
    "pandas",  # 0.5
    "psycopg",  # 0.2
    "sigstore.verify",  # 0.2
    "scipy.optimize",  # 0.1
    "airflow.providers.standard.operators.python",
    "airflow.providers.standard.sensors.python",
    "airflow.sdk.execution_time.task_runner",
    "ansible_runner",
    "cvss",
    "cyclonedx.schema",
    "defusedxml.ElementTree",
    "feedparser",
    "google.protobuf.json_format",
    "httpx",
    "icalendar",
    "in_toto_attestation.v1.statement",
    "jinja2",
    "jsonschema",
    "lxml.etree",
    "msgspec",
    "packageurl",
    "recurring_ical_events",
    "requests",
    "tuf.ngclient",
)
_TALKATIVE = "great_expectations"  # hundreds of lines on import, at the level of information


class WarmLocalExecutor(LocalExecutor):
    """As LocalExecutor, with LIBRARIES imported before the first worker is forked."""

    def start(self) -> None:
        """Import, then start. A library that cannot be imported is the task's to complain of, where it is needed."""
        started = time.monotonic()
        logging.getLogger(_TALKATIVE).setLevel(logging.WARNING)
        for name in LIBRARIES:
            try:
                importlib.import_module(name)
            except ImportError:
                self.log.warning("%s cannot be imported; tasks that need it will say so.", name, exc_info=True)
        self.log.info("%d libraries imported in %.1f s.", len(LIBRARIES), time.monotonic() - started)
        super().start()
