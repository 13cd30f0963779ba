"""The bill of materials (CycloneDX 1.6, ECMA-424) that the vendor lists beside each release's package.

It is made of the package itself: its SHA-256, every file in it with its SHA-256, and what it depends on. The repository's signed
Release lists it (`main/sbom/<file name of the .deb>.cdx.json`), so that it is as well proven as the package. Reproducible, as
the packages are.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
import uuid
from pathlib import Path
from typing import Any

from lab.errors import BuildError

SUFFIX = ".cdx.json"
SUPPLIER = {"name": "ACME Lab Vendor", "url": ["https://vendor.lab.invalid"]}
_SERIALS = uuid.UUID("0f6f0f55-2d5c-4d8f-9a51-5b6f3f1f8a01")


def bill_of_materials(package: Path, name: str, version: str, released: str, depends: tuple[str, ...]) -> bytes:
    """The document of one .deb. released: RFC 3339, UTC. depends: names of Debian packages. Raises BuildError."""
    sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
    root = _purl("acme", name, version) + "?arch=all"
    needs = [
        {"type": "library", "bom-ref": _purl("debian", need), "name": need, "purl": _purl("debian", need),
         "supplier": {"name": "Debian"}}
        for need in depends
    ]  # fmt: skip
    files = [
        {"type": "file", "bom-ref": f"file:{path}", "name": path, "hashes": [_hash(digest)]}
        for path, digest in sorted(_files(package).items())
    ]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SERIALS, sha256)}",
        "metadata": {
            "timestamp": released, "supplier": SUPPLIER,
            "component": {
                "type": "application", "bom-ref": root, "name": name, "version": version, "purl": root,
                "supplier": SUPPLIER, "hashes": [_hash(sha256)],
            },
        },
        "components": [*needs, *files],
        "dependencies": [{"ref": root, "dependsOn": [need["bom-ref"] for need in needs]}],
    }  # fmt: skip
    return (json.dumps(document, indent=1) + "\n").encode()


def _purl(namespace: str, name: str, version: str = "") -> str:
    """A Debian version's `+` is not plain in a purl (ECMA-427)."""
    return f"pkg:deb/{namespace}/{name}" + (f"@{version.replace('+', '%2B')}" if version else "")


def _hash(digest: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": digest}


def _files(package: Path) -> dict[str, str]:
    """path → SHA-256 of what the package installs."""
    try:
        done = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(package)], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BuildError(f"The files of {package.name} cannot be listed: {error}") from error
    found = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            if file is not None:
                found[member.name.removeprefix("./")] = hashlib.sha256(file.read()).hexdigest()
    return found
