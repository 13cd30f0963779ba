"""What makes a booted root into a certain host: the files that differ from host to host.

Written into a host's own layer at each boot of the fleet; the same every time, so a reboot changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.hosts import GATEWAY, HOSTS, Environment, Host, Role

TEMPLATES = Path(__file__).with_name("templates")
LB_PORT = 8080
EXPORTER_PORT = 8405
PROMETHEUS_PORT = 9090
PORTAL_PORT = 8081
WANTS = "etc/systemd/system/multi-user.target.wants"


@dataclass(frozen=True)
class HostFile:
    """One file of a host; in `path`, a `*` stands for the one folder that fits.

    `owner` is a user name of the host (its group too). `link_to`: a symbolic link instead of a file.
    """

    path: str
    content: str = ""
    mode: int = 0o644
    owner: str = "root"
    link_to: str | None = None


@dataclass(frozen=True)
class Identity:
    """What differs from clone to clone: keys and passwords."""

    authorized_key: str
    host_keys: dict[str, tuple[str, str]]  # host → (private, public)
    database_password: str


def files_of(host: Host, identity: Identity) -> list[HostFile]:
    """Every file that the host has over its layers."""
    names = "\n".join(f"{other.address} {other.name}" for other in HOSTS)
    private, public = identity.host_keys[host.name]
    found = [
        HostFile("etc/hostname", f"{host.name}\n"),
        HostFile("etc/hosts", f"127.0.0.1 localhost\n{names}\n{GATEWAY} gateway\n"),
        # Nothing listens there: a look-up fails at once instead of after a time-out.
        HostFile("etc/resolv.conf", f"nameserver {GATEWAY}\noptions timeout:1 attempts:1\n"),
        HostFile("root/.ssh/authorized_keys", identity.authorized_key + "\n", 0o600),
        HostFile("etc/ssh/ssh_host_ed25519_key", private, 0o600),
        HostFile("etc/ssh/ssh_host_ed25519_key.pub", public),
    ]
    if host.role is Role.LB:
        found.append(HostFile("etc/haproxy/haproxy.cfg", _haproxy()))
    if host.role is Role.OBS:
        found.append(HostFile("etc/prometheus/prometheus.yml", _prometheus()))
    if host.role is Role.DB:
        found += _database(identity.database_password)
    if host.role is Role.APP:
        database = next(other for other in HOSTS if other.name == host.database)
        dsn = (
            f"host={database.address} dbname=portal user=portal password={identity.database_password} connect_timeout=2"
        )
        found.append(HostFile("etc/acme-portal/conf.d/lab.conf", f"[database]\ndsn = {dsn}\n", 0o640, "acme-portal"))
    return found


def _production_apps() -> list[Host]:
    return [host for host in HOSTS if host.role is Role.APP and host.environment is Environment.PRODUCTION]


def _haproxy() -> str:
    servers = "\n".join(f"  server {host.name} {host.address}:{PORTAL_PORT}" for host in _production_apps())
    text = (TEMPLATES / "haproxy.cfg").read_text("utf-8")
    return (
        text.replace("@LB_PORT@", str(LB_PORT))
        .replace("@EXPORTER_PORT@", str(EXPORTER_PORT))
        .replace("@SERVERS@", servers)
    )


def _prometheus() -> str:
    def targets(hosts: list[Host], port: int) -> str:
        blocks = []
        for host in hosts:
            labels = f"host: {host.name}, environment: {host.environment}, role: {host.role}"
            blocks.append(f"      - targets: ['{host.address}:{port}']\n        labels: {{{labels}}}")
        return "\n".join(blocks)

    text = (TEMPLATES / "prometheus.yml").read_text("utf-8")
    text = text.replace("@HAPROXY@", targets([host for host in HOSTS if host.role is Role.LB], EXPORTER_PORT))
    text = text.replace("@PORTALS@", targets([host for host in HOSTS if host.role is Role.APP], PORTAL_PORT))
    return text.replace("@NODES@", targets(list(HOSTS), 9100))


def _database(password: str) -> list[HostFile]:
    sql = (TEMPLATES / "portal.sql").read_text("utf-8").replace("@PASSWORD@", password)
    unit = "lab-portal-database.service"
    return [
        HostFile("etc/lab/portal.sql", sql, 0o640, "postgres"),
        HostFile("etc/lab/pg_hba.conf", (TEMPLATES / "pg_hba.conf").read_text("utf-8"), 0o640, "postgres"),
        HostFile("etc/postgresql/*/main/conf.d/lab.conf", (TEMPLATES / "postgresql.conf").read_text("utf-8")),
        HostFile("etc/lab/prepare-database", (TEMPLATES / "prepare-database").read_text("utf-8"), 0o755),
        HostFile(f"etc/systemd/system/{unit}", (TEMPLATES / unit).read_text("utf-8")),
        HostFile(f"{WANTS}/{unit}", link_to=f"/etc/systemd/system/{unit}"),
    ]
