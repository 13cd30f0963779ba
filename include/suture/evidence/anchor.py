"""Anchors: the chain's head, signed with Ed25519 (RFC 8032) and kept outside the warehouse.

One JSON object a line in `<store>/anchors/evidence.jsonl`: seq, hash, anchored_at, signature (hexadecimal, over
"seq:hash:anchored_at"). The key is made at first use (`secrets/evidence_ed25519.pem`, mode 600); whoever holds only the
warehouse cannot cut the tail unseen.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from suture.errors import SutureError
from suture.store import Store

if TYPE_CHECKING:  # imported where it is used: whoever only writes evidence (a bulk load) is spared 7 MiB
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY_NAME = "evidence_ed25519.pem"


class EvidenceKeyError(SutureError):
    """The signing key, or an anchor that it should have signed, cannot be trusted."""


@dataclass(frozen=True)
class AnchoredHead:
    seq: int
    hash: str
    anchored_at: str
    signature: str

    @property
    def signed_text(self) -> bytes:
        return f"{self.seq}:{self.hash}:{self.anchored_at}".encode()


def anchor_head(store: Store, *, secrets_dir: Path, anchors_file: Path) -> AnchoredHead | None:
    """Sign the chain's present head and append it to the anchors; None when the chain is empty or already anchored."""
    head = store.fetch_one("evidence/fetch_evidence_head")
    if head is None:
        return None
    if anchors_file.exists():
        lines = anchors_file.read_text("utf-8").splitlines()
        if lines and json.loads(lines[-1])["hash"] == head["hash"]:
            return None
    key = _private_key(secrets_dir)
    unsigned = AnchoredHead(head["seq"], head["hash"], datetime.now(UTC).isoformat(), "")
    signed = AnchoredHead(unsigned.seq, unsigned.hash, unsigned.anchored_at, key.sign(unsigned.signed_text).hex())
    anchors_file.parent.mkdir(parents=True, exist_ok=True)
    with anchors_file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(signed)) + "\n")
    return signed


def read_anchors(*, secrets_dir: Path, anchors_file: Path) -> list[AnchoredHead]:
    """Every anchor, its signature checked. [] when none was made yet. Raises EvidenceKeyError for a forged one."""
    if not anchors_file.exists():
        return []
    from cryptography.exceptions import InvalidSignature

    public = _private_key(secrets_dir).public_key()
    anchors = []
    for number, line in enumerate(anchors_file.read_text("utf-8").splitlines(), start=1):
        try:
            head = AnchoredHead(**json.loads(line))
            public.verify(bytes.fromhex(head.signature), head.signed_text)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise EvidenceKeyError(
                f"{anchors_file.name}, line {number}: the anchor's signature is not valid.",
                remedy="The file was altered, or the key in the secrets folder is not the one that signed it.",
            ) from error
        anchors.append(head)
    return anchors


def _private_key(secrets_dir: Path) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = secrets_dir / KEY_NAME
    if not path.exists():
        secrets_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _private_key(secrets_dir)  # another process was first: take its key
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise EvidenceKeyError(f"{path} is not an Ed25519 key.")
    return key
