"""What a deployment does to Airflow's database, in one process: migrate it, then load airflow_settings.yaml.

One process, because importing Airflow costs 4 to 7 seconds each time. Run as `python -m suture_airflow.deployment`
with Airflow's environment; doing it again changes nothing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from airflow.models import Connection, Pool, Variable
from airflow.utils.db import upgradedb
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.orm import Session

from suture.command import airflow_settings
from suture.command.airflow_settings import AirflowSettings, ConnectionSetting
from suture.errors import SutureError
from suture.settings import PROJECT_ROOT


def load_settings(settings: AirflowSettings) -> None:
    """Make Airflow's pools, connections and variables what the file says. Others are left alone."""
    with create_session() as session:
        for pool in settings.pools:
            Pool.create_or_update_pool(
                name=pool.name,
                slots=pool.slots,
                description=pool.description,
                include_deferred=pool.include_deferred,
                session=session,
            )
        for connection in settings.connections:
            _put_connection(connection, session)
        for variable in settings.variables:
            Variable.set(variable.name, variable.value, description=variable.description, session=session)


def _put_connection(wanted: ConnectionSetting, session: Session) -> None:
    found = session.scalar(select(Connection).where(Connection.conn_id == wanted.conn_id))
    if found is None:
        found = Connection(conn_id=wanted.conn_id)
        session.add(found)
    found.conn_type = wanted.conn_type
    found.host = wanted.host
    found.schema = wanted.schema
    found.login = wanted.login
    found.port = wanted.port
    found.description = wanted.description
    found.set_extra(json.dumps(dict(wanted.extra)) if wanted.extra else None)


def main(path: Path = PROJECT_ROOT / "airflow_settings.yaml") -> int:
    try:
        settings = airflow_settings.load(path)  # first: a mistake in the file should not cost a migration
    except SutureError as error:
        print(error, file=sys.stderr)
        return 2
    upgradedb()
    load_settings(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
