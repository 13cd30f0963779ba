"""Suture's own signing key: made at first use, in a GNUPGHOME that nothing else uses, never leaving it.

gpg's agent listens on a socket in the GNUPGHOME, whose path must stay below 108 characters: gpg is therefore given a
short link to the folder. The agent is ended after each use; nothing stays behind.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from suture.errors import SutureError

KEY_LIFETIME = "2y"
GPG_TIMEOUT_S = 120


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
        """gpg's agent as our own child, on a socket that we made (`--supervised`, as systemd does it).

        With `--daemon` it would detach and outlive us, as a process or as a zombie.
        """
        self._remove_sockets()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._socket_address(home))
            listener.listen(8)
            environment = {**self._environment(home), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "std"}
            try:
                agent = os.posix_spawnp(
                    "gpg-agent",
                    ["gpg-agent", "--homedir", str(home), "--supervised", "--quiet", "--disable-scdaemon"],
                    environment,
                    file_actions=[
                        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                        (os.POSIX_SPAWN_DUP2, listener.fileno(), 3),  # the first descriptor of LISTEN_FDS
                    ],
                )
            except FileNotFoundError as error:
                raise SigningError("gpg-agent is not installed.", remedy="Install the package gpg-agent.") from error
            try:
                yield
            finally:
                os.kill(agent, signal.SIGKILL)  # it holds nothing that is not on disk
                os.waitpid(agent, 0)
                self._remove_sockets()

    def _remove_sockets(self) -> None:
        for path in self._folder.glob("S.gpg-agent*"):
            path.unlink(missing_ok=True)

    @staticmethod
    def _socket_address(home: Path) -> str:
        """Where gpg will look for its agent; gpgconf escapes it like a URL."""
        listing = ["gpgconf", "--homedir", str(home), "--list-dirs", "agent-socket"]
        listed = subprocess.run(listing, capture_output=True, text=True, check=True, timeout=GPG_TIMEOUT_S)
        return unquote(listed.stdout.strip())

    @staticmethod
    def _environment(home: Path) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "GNUPGHOME": str(home)}

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
        try:
            done = subprocess.run(
                command,
                input=given,
                capture_output=True,
                check=False,
                timeout=GPG_TIMEOUT_S,
                env=self._environment(home),
            )
        except FileNotFoundError as error:
            raise SigningError("gpg is not installed.", remedy="Install the packages gpg and gpg-agent.") from error
        except subprocess.TimeoutExpired as error:
            raise SigningError(f"gpg did not answer within {GPG_TIMEOUT_S} s.") from error
        if done.returncode != 0:
            raise SigningError(f"gpg failed: {done.stderr.decode('utf-8', 'replace').strip()[-500:]}.")
        return done.stdout
