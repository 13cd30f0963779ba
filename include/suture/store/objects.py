"""The object store: reports, test results and anchors, by key, each with its SHA-256.

The rules:

- A key is plain words with slashes (`reports/SUT-2026-0001/3f…/report.html`); what could leave the store's folder or be
  read as an option is refused before anything is touched.
- What is written under a key stays: writing other bytes under it is refused, writing the same again is nothing.
- `file://` is a folder (one machine); `s3://bucket/prefix` is any S3 (many machines), with boto3's own environment.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from suture.errors import BadInputError, SutureError

_KEY = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){0,9}$")


class ObjectStoreError(SutureError):
    """The object store refused, or holds something else than it should."""


class ObjectStoreUnavailableError(ObjectStoreError):
    """The object store did not answer: trying again may help."""

    retryable = True


@dataclass(frozen=True)
class StoredObject:
    """One object. uri: where people find it; sha256: of its bytes, hexadecimal."""

    key: str
    uri: str
    sha256: str
    size_bytes: int


class ObjectStore(Protocol):
    def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> StoredObject: ...

    def get(self, key: str) -> bytes:
        """The object's bytes. Raises ObjectStoreError when there is none under this key."""
        ...

    def keys(self, prefix: str = "") -> list[str]:
        """Every key under a prefix (a folder's name, or "" for all), sorted."""
        ...


def open_objects(url: str) -> ObjectStore:
    """The store at `url`: file:///folder or s3://bucket/prefix. Raises BadInputError for anything else."""
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return FolderObjects(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc:
        return S3Objects(parts.netloc, parts.path.strip("/"))
    raise BadInputError(f"{url!r} is no object store.", remedy="Use file:///folder or s3://bucket/prefix.")


def checked_key(key: str) -> str:
    """The key as given. Raises BadInputError for one that is not plain words with slashes."""
    if not _KEY.match(key) or ".." in key:
        raise BadInputError(f"{key!r} is not an object's key: letters, digits, '.', '_', '-' and single slashes only.")
    return key


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class FolderObjects:
    """Objects as files under a folder, written whole (a temporary name, then a rename), readable by their owner."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> StoredObject:
        del content_type  # a file's name says it
        path = self._path(key)
        if path.exists():
            _refuse_other(key, path.read_bytes(), content)
        else:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                Path(temporary).rename(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        return StoredObject(key, path.as_uri(), digest(content), len(content))

    def get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except OSError as error:
            raise ObjectStoreError(f"The object {key} cannot be read: {error.strerror}.") from error

    def keys(self, prefix: str = "") -> list[str]:
        start = self._path(prefix) if prefix else self.root
        found = (path for path in start.rglob("*") if path.is_file() and not path.name.startswith("."))
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def _path(self, key: str) -> Path:
        path = self.root / checked_key(key)
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise BadInputError(f"{key!r} leads out of the object store (through a link).")
        return path


class S3Objects:
    """Objects in an S3 bucket. Address and credentials come from boto3's own environment (AWS_ENDPOINT_URL_S3 …)."""

    def __init__(self, bucket: str, prefix: str, *, client: Any = None) -> None:
        self.bucket = bucket
        self.prefix = f"{prefix}/" if prefix else ""
        if client is None:
            import boto3  # 0.3 s of import that a folder does not need

            client = boto3.client("s3")
        self._client = client

    def put(self, key: str, content: bytes, *, content_type: str = "application/octet-stream") -> StoredObject:
        name = self.prefix + checked_key(key)
        present = self._read(name)
        if present is not None:
            _refuse_other(key, present, content)
        else:
            self._call(
                "put_object",
                Bucket=self.bucket,
                Key=name,
                Body=content,
                ContentType=content_type,
                ChecksumAlgorithm="SHA256",
            )
        return StoredObject(key, f"s3://{self.bucket}/{name}", digest(content), len(content))

    def get(self, key: str) -> bytes:
        content = self._read(self.prefix + checked_key(key))
        if content is None:
            raise ObjectStoreError(f"There is no object {key} in s3://{self.bucket}/{self.prefix}.")
        return content

    def keys(self, prefix: str = "") -> list[str]:
        start = self.prefix + (checked_key(prefix) + "/" if prefix else "")
        found: list[str] = []
        arguments: dict[str, Any] = {"Bucket": self.bucket, "Prefix": start}
        while True:
            page = self._call("list_objects_v2", **arguments)
            found += [entry["Key"].removeprefix(self.prefix) for entry in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return sorted(found)
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def _read(self, name: str) -> bytes | None:
        from botocore.exceptions import ClientError

        try:
            answer = self._client.get_object(Bucket=self.bucket, Key=name)
            return bytes(answer["Body"].read())
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                return None
            raise ObjectStoreError(f"s3://{self.bucket}/{name}: {error}.") from error
        except Exception as error:
            raise ObjectStoreUnavailableError(f"s3://{self.bucket}/{name}: {error}.") from error

    def _call(self, method: str, **arguments: Any) -> Any:
        from botocore.exceptions import ClientError

        try:
            return getattr(self._client, method)(**arguments)
        except ClientError as error:
            raise ObjectStoreError(f"s3://{self.bucket}: {method} was refused: {error}.") from error
        except Exception as error:
            raise ObjectStoreUnavailableError(f"s3://{self.bucket}: {method}: {error}.") from error


def _refuse_other(key: str, present: bytes, content: bytes) -> None:
    if present != content:
        raise ObjectStoreError(
            f"The object {key} exists with other content (SHA-256 {digest(present)[:16]}…); it was not overwritten.",
            remedy="Evidence is not overwritten: write it under another key.",
        )
