"""Suture's own signing key: made at first use, in a GNUPGHOME that nothing else uses, never leaving it.

gpg's agent listens on a socket in the GNUPGHOME, whose path must stay below 108 characters: gpg is therefore given a
short link to the folder. The agent is ended after each use; nothing stays behind.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from suture.errors import SutureError

KEY_LIFETIME = "2y"
GPG_TIMEOUT_S = 120
AGENT_START_S = 10


class SigningError(SutureError):
    """gpg could not make a key or a signature."""


class SigningKey:
    """The key in `folder` (a GNUPGHOME)."""

    def __init__(self, folder: Path, *, owner: str) -> None:
        self._folder = folder
        self._owner = owner

    def ensure(self) -> str:
        """The key's fingerprint; the key is made when there is none."""
        with self._home() as home:
            found = self._fingerprint(home)
            if found is None:
                make = ["--passphrase", "", "--quick-gen-key", self._owner, "ed25519", "sign", KEY_LIFETIME]
                self._gpg(home, make)
                found = self._fingerprint(home)
        if found is None:
            raise SigningError(f"gpg made no key in {self._folder}.")
        return found

    def public_key(self) -> bytes:
        """The public key, binary, as a keyring file for apt's Signed-By."""
        with self._home() as home:
            return self._gpg(home, ["--export", self._required(home)])

    def sign(self, text: bytes) -> tuple[bytes, bytes]:
        """`text` clear-signed, and a detached armoured signature of it."""
        with self._home() as home:
            key = ["--local-user", self._required(home), "--digest-algo", "SHA512"]
            inline = self._gpg(home, [*key, "--clearsign"], text)
            detached = self._gpg(home, [*key, "--armor", "--detach-sign"], text)
        return inline, detached

    def _required(self, home: Path) -> str:
        found = self._fingerprint(home)
        if found is None:
            raise SigningError(f"There is no signing key in {self._folder}.", remedy="Run `./suture up`.")
        return found

    def _fingerprint(self, home: Path) -> str | None:
        listing = self._gpg(home, ["--with-colons", "--list-secret-keys"]).decode("utf-8", "replace")
        fields = (line.split(":") for line in listing.splitlines())
        return next((parts[9] for parts in fields if parts[0] == "fpr"), None)

    @contextmanager
    def _home(self) -> Iterator[Path]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder.chmod(0o700)
        with tempfile.TemporaryDirectory(prefix="sg-") as short:
            home = Path(short, "h")
            home.symlink_to(self._folder.resolve())
            with self._agent(home):
                yield home

    @contextmanager
    def _agent(self, home: Path) -> Iterator[None]:
        """gpg's agent as our own child: one that gpg starts itself detaches, and outlives us as a zombie or worse."""
        command = ["gpg-agent", "--homedir", str(home), "--no-detach", "--daemon", "--disable-scdaemon"]
        try:
            agent = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        except FileNotFoundError as error:
            raise SigningError("gpg-agent is not installed.", remedy="Install the package gpg-agent.") from error
        try:
            sockets = ["gpgconf", "--homedir", str(home), "--list-dirs", "agent-socket"]
            listed = subprocess.run(sockets, capture_output=True, text=True, check=True, timeout=GPG_TIMEOUT_S)
            socket = Path(unquote(listed.stdout.strip()))
            deadline = time.monotonic() + AGENT_START_S
            while not socket.exists():
                if agent.poll() is not None or time.monotonic() > deadline:
                    raise SigningError(f"gpg-agent did not start in {self._folder}.")
                time.sleep(0.01)
            yield
        finally:
            agent.terminate()
            try:
                agent.wait(timeout=AGENT_START_S)
            except subprocess.TimeoutExpired:
                agent.kill()
                agent.wait()

    def _gpg(self, home: Path, arguments: list[str], given: bytes | None = None) -> bytes:
        command = [
            "gpg",
            "--homedir",
            str(home),
            "--batch",
            "--yes",
            "--no-autostart",
            "--pinentry-mode",
            "loopback",
            *arguments,
        ]
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "GNUPGHOME": str(home)}
        try:
            done = subprocess.run(
                command, input=given, capture_output=True, check=False, timeout=GPG_TIMEOUT_S, env=environment
            )
        except FileNotFoundError as error:
            raise SigningError("gpg is not installed.", remedy="Install the packages gpg and gpg-agent.") from error
        except subprocess.TimeoutExpired as error:
            raise SigningError(f"gpg did not answer within {GPG_TIMEOUT_S} s.") from error
        if done.returncode != 0:
            raise SigningError(f"gpg failed: {done.stderr.decode('utf-8', 'replace').strip()[-500:]}.")
        return done.stdout
