"""Where this installation keeps its things. Read from the environment once, at the edge; passed on as a value."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suture.errors import BadInputError

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Settings:
    """Paths and addresses of one installation.

    warehouse_url is None when neither SUTURE_WAREHOUSE_URL nor a started state folder gives one: verbs that need the
    warehouse then say so; verbs that work on files do not care.
    """

    home: Path
    instance: str
    policy_dir: Path
    inventory_path: Path
    store_url: str
    warehouse_url: str | None
    repository_dir: Path
    secrets_dir: Path
    ports: Mapping[str, int]

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Settings:
        env = os.environ if environ is None else environ
        home = Path(env.get("SUTURE_HOME") or PROJECT_ROOT / ".suture")
        stored = _stored_settings(home / "settings.json")
        lab_policy = home / "policy"
        default_policy = lab_policy if lab_policy.is_dir() else PROJECT_ROOT / "include" / "policy"
        return cls(
            home=home,
            instance=str(stored.get("instance", "unset")),
            policy_dir=Path(env.get("SUTURE_POLICY_DIR") or default_policy),
            inventory_path=Path(env.get("SUTURE_INVENTORY") or home / "inventory" / "hosts.yaml"),
            store_url=env.get("SUTURE_STORE_URL") or (home / "store").as_uri(),
            warehouse_url=env.get("SUTURE_WAREHOUSE_URL") or _embedded_url(home, stored),
            repository_dir=home / "repository",
            secrets_dir=home / "secrets",
            ports={name: int(port) for name, port in stored.get("ports", {}).items()},
        )

    def require_warehouse(self) -> str:
        if self.warehouse_url is None:
            raise BadInputError(
                f"No warehouse is known: {self.home} holds no started PostgreSQL and SUTURE_WAREHOUSE_URL is not set.",
                remedy="Run `./suture up`, or set SUTURE_WAREHOUSE_URL=postgresql://user:password@host/database.",
            )
        return self.warehouse_url


def _stored_settings(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise BadInputError(
            f"{path} is not JSON: {error}.", remedy="Mend it, or remove it and run `./suture up`."
        ) from error
    if not isinstance(found, dict):
        raise BadInputError(f"{path} must hold a JSON object, not {type(found).__name__}.")
    return found


def _embedded_url(home: Path, stored: Mapping[str, Any]) -> str | None:
    password_file = home / "secrets" / "postgres.password"
    port = stored.get("ports", {}).get("postgres")
    if port is None or not password_file.exists():
        return None
    return f"postgresql://postgres:{password_file.read_text('utf-8').strip()}@127.0.0.1:{port}/suture"
