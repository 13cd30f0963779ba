"""The environment that makes an Airflow process one of this installation's. Everything is here, nothing in airflow.cfg.

An `AIRFLOW…` variable of the caller's shell belongs to some other Airflow and is dropped. To change a setting of this
one, set SUTURE_AIRFLOW__<SECTION>__<KEY>: it becomes AIRFLOW__<SECTION>__<KEY>.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from suture.command import credentials
from suture.command.installation import Installation
from suture.command.ports import LOOPBACK
from suture.command.processes import MARK
from suture.errors import BadInputError

OVERRIDE = "SUTURE_AIRFLOW__"
PART = "SUTURE_PART"  # which part of the installation a process belongs to
AIRFLOW_PART = "airflow"


def build(
    installation: Installation, root: Path, *, airflow_url: str, warehouse_url: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment. Both URLs are postgresql://user:password@host:port/database."""
    inherited = {name: value for name, value in environ.items() if not name.startswith(("AIRFLOW", OVERRIDE))}
    overrides = {name.removeprefix("SUTURE_"): value for name, value in environ.items() if name.startswith(OVERRIDE)}
    return (
        inherited
        | suture_variables(installation, root, warehouse_url=warehouse_url, environ=environ)
        | _airflow_variables(installation, root, airflow_url)
        | {"AIRFLOW_CONN_SUTURE_WAREHOUSE": connection_json(warehouse_url, "SUTURE_WAREHOUSE_URL")}
        | overrides
    )


def suture_variables(
    installation: Installation, root: Path, *, warehouse_url: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """What Suture's own code reads. What the caller has set stays."""
    home = installation.home
    # Not set unless the user did: the practice fleet writes its policies after Airflow has started (see Settings.load).
    policy = {"SUTURE_POLICY_DIR": environ["SUTURE_POLICY_DIR"]} if environ.get("SUTURE_POLICY_DIR") else {}
    path = f"{root / 'include'}:{root / 'plugins'}"
    return policy | {
        "SUTURE_HOME": str(home),
        "SUTURE_INVENTORY": environ.get("SUTURE_INVENTORY") or str(home / "inventory" / "hosts.yaml"),
        "SUTURE_STORE_URL": environ.get("SUTURE_STORE_URL") or (home / "store").as_uri(),
        "SUTURE_WAREHOUSE_URL": warehouse_url,
        "SUTURE_UI_URL": installation.ui_url,
        MARK: installation.instance,
        PART: AIRFLOW_PART,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "SPT_NOENV": "1",  # setproctitle would write its titles over the environment, and with it over our mark
        "GX_ANALYTICS_ENABLED": "false",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
    }


def connection_json(url: str, name: str) -> str:
    """Airflow's JSON form of a connection, from a PostgreSQL URL; `name` is the variable to blame."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname:
        raise BadInputError(f"{name} must be postgresql://user:password@host:port/database.")
    connection = {
        "conn_type": "postgres",
        "host": parts.hostname,
        "port": parts.port or 5432,
        "login": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "schema": unquote(parts.path.lstrip("/")),
    }
    return json.dumps(connection)


def _airflow_variables(installation: Installation, root: Path, airflow_url: str) -> dict[str, str]:
    connection_json(airflow_url, "SUTURE_AIRFLOW_DB_URL")  # checks it
    secrets_dir = installation.secrets_dir
    settings: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": root / "dags",
            "plugins_folder": root / "plugins",
            "executor": "suture_airflow.executor.WarmLocalExecutor",
            "parallelism": 8,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "auth_manager": "suture_airflow.auth_manager.SutureAuthManager",
            "simple_auth_manager_users": ",".join(f"{user.name}:{user.role}" for user in credentials.USERS),
            "simple_auth_manager_passwords_file": secrets_dir / credentials.PASSWORDS,
            "fernet_key": credentials.fernet_key(secrets_dir),
            "execution_api_server_url": f"{installation.ui_url}/execution/",
            "hostname_callable": "socket.gethostname",  # the default asks the name server
            "dagbag_import_timeout": 60,
            "default_task_retry_delay": 15,  # seconds; Airflow's own 300 would eat a maintenance window
        },
        "database": {
            "sql_alchemy_conn": airflow_url.replace("postgres://", "postgresql://", 1),
            "sql_alchemy_pool_size": 5,
        },
        "api": {
            "host": LOOPBACK,
            "port": installation.ports["ui"],
            "base_url": installation.ui_url,
            "workers": 1,
            "secret_key": credentials.api_secret_key(secrets_dir),
            "instance_name": "Suture",
            "expose_config": False,
        },
        "api_auth": {"jwt_secret": credentials.jwt_secret(secrets_dir)},
        "scheduler": {
            # A chain of tasks advances one loop at a time: 1.3 s a task with the default of 1, 0.45 s with 0.1, which keeps half
            # a core busy for nothing (with PostgreSQL's part).
            "scheduler_idle_sleep_time": 0.3,
            "enable_health_check": False,
            "task_instance_heartbeat_timeout": 120,
        },
        # Parsing costs a second of processor time a file. A changed or new file is still seen within refresh_interval, and ours
        # say the same each time: none reads a policy or the warehouse before a task does (ADR 0044).
        "dag_processor": {"refresh_interval": 30, "min_file_process_interval": 3600, "dag_file_processor_timeout": 120},
        "logging": {
            "base_log_folder": installation.airflow_home / "logs",
            "colored_console_log": False,
            "file_task_handler_new_folder_permissions": "0o700",
            "file_task_handler_new_file_permissions": "0o600",
        },
        "usage_data_collection": {"enabled": False},
    }
    variables = {"AIRFLOW_HOME": str(installation.airflow_home)}
    for section, values in settings.items():
        for key, value in values.items():
            variables[f"AIRFLOW__{section.upper()}__{key.upper()}"] = str(value)
    return variables
