"""settings.json: this clone's instance id and ports, made at the first start and then remembered.

The rules:

- The instance id is a digest of the state folder's path: it marks every process that we start (SUTURE_INSTANCE).
- Ports come from `ports.derived_base`, unless --port-base or SUTURE_PORT_BASE names another start of the block, or
  `--set ui_port=N` one port. What was chosen explicitly and is taken is an error; what was derived moves on.
- A state folder that was copied from another clone is recognised by its instance id: its ports are chosen anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from suture.command import ports as port_rules
from suture.errors import BadInputError

# Order matters: new names go to the end, so that known ones keep their derived port.
PORT_NAMES = ("ui", "postgres", "prometheus", "service", "repository", "feeds", "vendor", "proxy")


@dataclass(frozen=True)
class Installation:
    """One state folder. `ports` maps each of PORT_NAMES to a port on 127.0.0.1."""

    home: Path
    instance: str
    ports: Mapping[str, int]

    @property
    def settings_file(self) -> Path:
        return self.home / "settings.json"

    @property
    def ui_url(self) -> str:
        return f"http://{port_rules.LOOPBACK}:{self.ports['ui']}"

    @property
    def secrets_dir(self) -> Path:
        return self.home / "secrets"

    @property
    def run_dir(self) -> Path:
        return self.home / "run"

    @property
    def logs_dir(self) -> Path:
        return self.home / "logs"

    @property
    def airflow_home(self) -> Path:
        return self.home / "airflow"


def home_folder(root: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """SUTURE_HOME, or `.suture` in the project."""
    return Path(environ.get("SUTURE_HOME") or root / ".suture").absolute()


def instance_of(home: Path) -> str:
    return hashlib.sha256(str(home).encode()).hexdigest()[:8]


def read(home: Path) -> Installation | None:
    """What settings.json says, or None when there is none yet. Raises BadInputError for a broken one."""
    path = home / "settings.json"
    if not path.exists():
        return None
    remedy = "Mend it, or remove it: ./suture up then makes a new one."
    try:
        stored = json.loads(path.read_text("utf-8"))
        instance, stored_ports = str(stored["instance"]), dict(stored["ports"])
    except (ValueError, KeyError, TypeError) as error:
        raise BadInputError(f"{path} cannot be read: {error!r}.", remedy=remedy) from error
    unknown = sorted(set(stored_ports) - set(PORT_NAMES))
    if unknown:
        raise BadInputError(f"{path} names unknown ports: {', '.join(unknown)}.", remedy=remedy)
    numbers = {name: port_rules.checked_port(port, f"{name}_port in {path}") for name, port in stored_ports.items()}
    return Installation(home, instance, numbers)


def prepare(
    home: Path,
    *,
    port_base: int | None = None,
    chosen: Mapping[str, int] | None = None,
    free: Callable[[int], bool] = port_rules.is_free,
) -> Installation:
    """Make the state folder and settings.json, or bring them up to date; the result is what now stands in the file.

    port_base starts a new block for all ports; `chosen` (name → port) sets single ones.
    """
    chosen = dict(chosen or {})
    _refuse_doubles(chosen)
    stored = read(home)
    known: dict[str, int] = {}
    if stored is not None and stored.instance == instance_of(home) and port_base is None:
        known = {name: port for name, port in stored.ports.items() if name not in chosen}
    for name, port in known.items():
        if port in chosen.values():
            other = next(key for key, value in chosen.items() if value == port)
            raise BadInputError(f"Port {port} cannot be {other}_port: it is {name}_port already.")
    base = port_rules.derived_base(home) if port_base is None else port_base
    missing = [name for name in PORT_NAMES if name not in known and name not in chosen]
    fresh = port_rules.choose(missing, base, avoid=[*known.values(), *chosen.values()], free=free)
    found = known | chosen | fresh
    made = Installation(home, instance_of(home), {name: found[name] for name in PORT_NAMES})
    for folder in (home, made.secrets_dir, made.run_dir, made.logs_dir, made.airflow_home):
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    if stored != made:
        _write(made)
    return made


def parse_overrides(settings: Iterable[str]) -> dict[str, int]:
    """`ui_port=8080` and the like → {"ui": 8080}. Raises BadInputError."""
    found = {}
    for text in settings:
        name, separator, value = text.partition("=")
        port_name = name.removesuffix("_port")
        if not separator or port_name == name or port_name not in PORT_NAMES:
            known = ", ".join(f"{known}_port" for known in PORT_NAMES)
            raise BadInputError(f"--set {text} is not understood: it must be NAME=PORT, with one of {known}.")
        found[port_name] = port_rules.checked_port(value, name)
    return found


def _refuse_doubles(chosen: Mapping[str, int]) -> None:
    seen: dict[int, str] = {}
    for name, port in chosen.items():
        if port in seen:
            raise BadInputError(f"Port {port} cannot be both {seen[port]}_port and {name}_port.")
        seen[port] = name


def _write(made: Installation) -> None:
    temporary = made.settings_file.with_suffix(".new")
    text = json.dumps({"instance": made.instance, "ports": dict(made.ports)}, indent=2)
    temporary.write_text(text + "\n", "utf-8")
    temporary.chmod(0o600)
    temporary.replace(made.settings_file)
