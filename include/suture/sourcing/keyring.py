"""The keys that may sign a source: their fingerprints, expiry and revocation, read once from keyring files.

Keyrings may be binary or ASCII-armoured, as in /usr/share/keyrings. gpg only lists them (`--show-keys`: no
import, no agent, no home of the user's).
"""

from __future__ import annotations

import base64
import binascii
import re
import subprocess
import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from suture.errors import BadInputError

MAX_KEYRING_BYTES = 16 * 1024 * 1024
ALARM_BEFORE = timedelta(days=30)
MIN_RSA_BITS = 2048
_RSA = frozenset({1, 2, 3})
_DSA_AND_ELGAMAL = frozenset({16, 17, 20})
_ARMOUR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?P<headers>(?:[^\r\n:]+: [^\r\n]*\r?\n)*)\r?\n(?P<body>.*?)"
    rb"-----END PGP PUBLIC KEY BLOCK-----",
    re.DOTALL,
)


@dataclass(frozen=True)
class Key:
    """A primary key or a subkey. primary: the primary key's fingerprint (its own, for a primary key).

    algorithm: OpenPGP's number (RFC 9580, 9.1); 0 when gpg does not say. bits: its length.
    """

    fingerprint: str
    primary: str
    owner: str
    created_at: datetime
    expires_at: datetime | None
    revoked: bool
    algorithm: int = 0
    bits: int = 0

    @property
    def weak(self) -> bool:
        """Too short or too old to prove anything: RSA below 2048 bits, DSA, Elgamal (as apt has it since 2.9)."""
        return self.algorithm in _DSA_AND_ELGAMAL or (self.algorithm in _RSA and self.bits < MIN_RSA_BITS)


@dataclass(frozen=True)
class PinRule:
    """From when until when a pinned key is accepted, whatever it says of itself; None: no limit on that side."""

    accept_from: datetime | None = None
    accept_until: datetime | None = None


@dataclass(frozen=True)
class Keyring:
    """Keys by fingerprint, the pins among them (empty: all are trusted), and the bytes that gpgv reads.

    rules: by fingerprint, for pins that count only for a time (a key's roll-over).
    """

    keys: dict[str, Key]
    pins: frozenset[str]
    binary: tuple[bytes, ...]
    rules: Mapping[str, PinRule] = field(default_factory=dict)

    def trusts(self, primary: str, signing: str) -> bool:
        if primary not in self.keys:
            return False
        return not self.pins or primary in self.pins or signing in self.pins

    def revoked(self, primary: str, signing: str) -> bool:
        return any(self.keys[f].revoked for f in (primary, signing) if f in self.keys)

    def expires_at(self, primary: str, signing: str) -> datetime | None:
        """When the pair stops being valid; None: never."""
        ends = [self.keys[f].expires_at for f in (primary, signing) if f in self.keys]
        return min((end for end in ends if end is not None), default=None)

    def weak(self, primary: str, signing: str) -> bool:
        return any(self.keys[f].weak for f in (primary, signing) if f in self.keys)

    def rule(self, primary: str, signing: str) -> PinRule:
        """The subkey's own rule, else the primary key's."""
        return self.rules.get(signing) or self.rules.get(primary) or PinRule()

    def ends_at(self, primary: str, signing: str) -> datetime | None:
        """When the pair stops counting here: by itself, or by its pin's rule; None: never."""
        ends = (self.expires_at(primary, signing), self.rule(primary, signing).accept_until)
        return min((end for end in ends if end is not None), default=None)

    def alarms(self, primary: str, signing: str, *, at: datetime) -> tuple[str, ...]:
        """What somebody must do about keys before a source stops: one sentence each.

        primary, signing: the keys that signed this time. The alarm comes ALARM_BEFORE the end, so that there is time to
        ask the vendor for the next key over a channel that one trusts.
        """
        found = [f"The pinned key {pin} is in no keyring file: it proves nothing." for pin in self._absent()]
        end = self.ends_at(primary, signing)
        if end is None or end - at > ALARM_BEFORE:
            return tuple(found)
        return (*found, ending(primary, end, self._heirs(primary, end, at), at=at))

    def _absent(self) -> list[str]:
        return sorted(self.pins - self.keys.keys())

    def _heirs(self, primary: str, end: datetime, at: datetime) -> set[str]:
        """Primary keys that may sign here after `end`."""
        heirs: set[str] = set()
        for key in self.keys.values():
            until = self.ends_at(key.primary, key.fingerprint)
            if (
                key.primary not in {primary, *heirs}
                and self.trusts(key.primary, key.fingerprint)
                and not (key.revoked or key.weak)
                and (until is None or until > max(end, at + ALARM_BEFORE))
            ):
                heirs.add(key.primary)
        return heirs


def ending(key: str, end: datetime, heirs: Collection[str], *, at: datetime) -> str:
    """The alarm of a key that counts until `end` only. heirs: the pinned keys that outlive it."""
    days = max(0, (end - at).days)
    then = (
        f"its successor {', '.join(sorted(heirs))} is pinned"
        if heirs
        else "no other pinned key outlives it: pin its successor"
    )
    return f"Key {key} counts until {end:%Y-%m-%d %H:%M} UTC only, {days} days from now; {then}."


def load_keyring(
    paths: Sequence[Path], pins: Collection[str] = (), rules: Mapping[str, PinRule] | None = None
) -> Keyring:
    """Read keyring files. Raises BadInputError for a file that is missing, too large, or holds no OpenPGP key."""
    binary = tuple(_binary(path) for path in paths)
    keys: dict[str, Key] = {}
    for path, data in zip(paths, binary, strict=True):
        found = _list_keys(data)
        if not found:
            raise BadInputError(f"The keyring {path} holds no OpenPGP public key.")
        keys |= found
    wanted = frozenset(pin.replace(" ", "").upper() for pin in pins)
    return Keyring(keys, wanted, binary, rules or {})


def _binary(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_KEYRING_BYTES:
            raise BadInputError(f"The keyring {path} is larger than {MAX_KEYRING_BYTES} bytes.")
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"The keyring {path} cannot be read: {error.strerror}.") from error
    blocks = list(_ARMOUR.finditer(data))
    if not blocks:
        return data
    try:
        # The last line, "=" and four characters, is a checksum (RFC 9580: optional), no part of the data.
        bodies = [re.sub(rb"\n=[A-Za-z0-9+/]{4}\s*$", b"", block["body"]) for block in blocks]
        return b"".join(base64.b64decode(re.sub(rb"\s", b"", body), validate=True) for body in bodies)
    except binascii.Error as error:
        raise BadInputError(f"The keyring {path} is not valid ASCII armour: {error}.") from error


def _list_keys(data: bytes) -> dict[str, Key]:
    with tempfile.TemporaryDirectory(prefix="suture-keys-") as folder:
        path = Path(folder, "keyring.gpg")
        path.write_bytes(data)
        listing = ["--with-colons", "--show-keys", str(path)]
        command = ["gpg", "--homedir", folder, "--batch", "--no-autostart", *listing]
        try:
            done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        except FileNotFoundError as error:
            raise BadInputError("gpg is not installed.", remedy="Install the package gpg.") from error
    return _parse_listing(done.stdout.decode("utf-8", "replace"))


def _parse_listing(text: str) -> dict[str, Key]:
    """gpg's colon format (GnuPG doc/DETAILS): a pub or sub line, then its fpr line, then uid lines."""
    keys: dict[str, Key] = {}
    pending: list[str] | None = None
    primary, owner, primary_revoked = "", "", False
    for line in text.splitlines():
        fields = line.split(":")
        if fields[0] in {"pub", "sub"}:
            pending = fields
        elif fields[0] == "fpr" and pending is not None:
            fingerprint = fields[9]
            revoked = pending[1] == "r"
            if pending[0] == "pub":
                primary, owner, primary_revoked = fingerprint, "", revoked
            keys[fingerprint] = Key(
                fingerprint, primary, owner, _epoch(pending[5]) or datetime.fromtimestamp(0, UTC),
                _epoch(pending[6]), revoked or primary_revoked, int(pending[3] or 0), int(pending[2] or 0),
            )  # fmt: skip
            pending = None
        elif fields[0] == "uid" and primary and not owner:
            owner = fields[9]
            keys[primary] = replace(keys[primary], owner=owner)
    return keys


def _epoch(value: str) -> datetime | None:
    return datetime.fromtimestamp(int(value), UTC) if value else None
