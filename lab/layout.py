"""Where the practice fleet of one clone keeps its things."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from suture.command import installation
from suture.settings import PROJECT_ROOT

FIRST_UID = 0x7000_0000  # free by systemd's table of uid ranges (UIDS-GIDS.md); 2,048 ranges up to 0x77FFFFFF
RANGE_SIZE = 65_536


@dataclass(frozen=True)
class Layout:
    """Paths, ports and the uid range of one clone's fleet."""

    home: Path
    instance: str
    prometheus_port: int
    service_port: int
    gateway_port: int

    @property
    def lab(self) -> Path:
        return self.home / "lab"

    @property
    def fleet(self) -> Path:
        """What the hosts' namespace sees (as /mnt): base, layers, hosts, sockets. Owned by the namespace's root."""
        return self.lab / "fleet"

    @property
    def run(self) -> Path:
        return self.fleet / "run"

    @property
    def load_log(self) -> Path:
        return self.fleet / "load" / "requests.tsv"

    @property
    def vendor(self) -> Path:
        return self.lab / "vendor"

    @property
    def feeds(self) -> Path:
        """Dated snapshots in the feeds' own formats: an installation may bring its own, else the project's."""
        own = self.lab / "feeds"
        return own if own.is_dir() else PROJECT_ROOT / "lab" / "feeds"

    @property
    def repository(self) -> Path:
        return self.home / "repository" / "public"

    @property
    def secrets(self) -> Path:
        return self.home / "secrets"

    @property
    def ssh_key(self) -> Path:
        return self.secrets / "ssh" / "id_ed25519"

    @property
    def ssh_config(self) -> Path:
        return self.lab / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.lab / "known_hosts"

    @property
    def inventory(self) -> Path:
        return self.home / "inventory" / "hosts.yaml"

    @property
    def supervisor_record(self) -> Path:
        return self.lab / "supervisor.json"

    @property
    def supervisor_log(self) -> Path:
        return self.lab / "supervisor.log"

    @property
    def description(self) -> Path:
        return self.lab / "lab.json"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    @property
    def uid_base(self) -> int:
        """First host uid of the range that the fleet's uid 0 is mapped to when root starts it."""
        return FIRST_UID + int(self.instance, 16) % 2048 * RANGE_SIZE

    @property
    def cache(self) -> Path:
        """Built file systems and fetched packages: SUTURE_LAB_CACHE, or the user's cache, shared between clones."""
        named = os.environ.get("SUTURE_LAB_CACHE")
        if named:
            return Path(named)
        user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "suture" / "lab"
        try:
            user_cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            return self.lab / "cache"
        return user_cache if os.access(user_cache, os.W_OK) else self.lab / "cache"


def read() -> Layout | None:
    """This clone's layout, or None when it has no settings yet. Changes nothing."""
    known = installation.read(installation.home_folder(PROJECT_ROOT))
    return None if known is None else _layout(known)


def prepare() -> Layout:
    """This clone's layout; makes the state folder and its settings where they are missing."""
    return _layout(installation.prepare(installation.home_folder(PROJECT_ROOT)))


def _layout(made: installation.Installation) -> Layout:
    return Layout(
        home=made.home,
        instance=made.instance,
        prometheus_port=made.ports["prometheus"],
        service_port=made.ports["service"],
        gateway_port=made.ports["proxy"],
    )
