"""The secrets that an installation generates for itself: files of mode 0600 in secrets/, made once, never printed."""

from __future__ import annotations

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from suture.errors import BadInputError


@dataclass(frozen=True)
class NamedUser:
    """A person of the demo organisation. `role` is one of the simple auth manager's: viewer, user, op, admin."""

    name: str
    role: str
    duty: str


USERS = (
    NamedUser("admin", "admin", "administrator"),
    NamedUser("olga", "op", "operations"),
    NamedUser("nils", "op", "on-call"),
    NamedUser("vera", "op", "service owner, release approver"),
    NamedUser("amir", "op", "change manager, release approver"),
    NamedUser("rosa", "op", "risk owner"),
    NamedUser("audra", "viewer", "auditor"),
)
PASSWORDS = "airflow_passwords.json"


def write_secret(path: Path, text: str) -> None:
    """Write `text` so that at no moment anybody else can read it, and never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def ensure_secret(path: Path, new: str) -> str:
    """The secret in the file; `new` becomes it when there is none. Its mode is put right."""
    if not path.exists() or not path.read_text("utf-8").strip():
        write_secret(path, new + "\n")
    path.chmod(0o600)
    return path.read_text("utf-8").strip()


def jwt_secret(secrets_dir: Path) -> str:
    return ensure_secret(secrets_dir / "airflow_jwt.secret", secrets.token_urlsafe(48))


def api_secret_key(secrets_dir: Path) -> str:
    return ensure_secret(secrets_dir / "airflow_api.secret", secrets.token_urlsafe(32))


def fernet_key(secrets_dir: Path) -> str:
    """32 random bytes in URL-safe base64, which is what Fernet asks for."""
    new = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    return ensure_secret(secrets_dir / "airflow_fernet.key", new)


def ensure_passwords(secrets_dir: Path) -> dict[str, str]:
    """User name → password, for every one of USERS. Existing ones stay; users added since get one."""
    path = secrets_dir / PASSWORDS
    known: dict[str, str] = {}
    if path.exists() and path.read_text("utf-8").strip():
        try:
            known = dict(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError) as error:
            raise BadInputError(
                f"{path} cannot be read: {error}.", remedy="Remove it: new passwords are made at the next start."
            ) from error
    missing = {user.name: secrets.token_urlsafe(12) for user in USERS if user.name not in known}
    if missing or not path.exists():
        write_secret(path, json.dumps(known | missing, indent=2) + "\n")
    path.chmod(0o600)
    return known | missing
