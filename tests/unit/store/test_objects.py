"""Objects are kept whole, under safe keys, and are never overwritten by others."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest

from suture.errors import BadInputError
from suture.store.objects import FolderObjects, ObjectStore, ObjectStoreError, S3Objects, open_objects


class BucketInMemory:
    """The three calls of boto3's client that the store makes, with its own error for a missing key; pages of two."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, **_options: Any) -> None:  # noqa: N803
        self.held[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        from botocore.exceptions import ClientError

        if Key not in self.held:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(self.held[Key])}

    def list_objects_v2(self, *, Bucket: str, Prefix: str, ContinuationToken: str = "0") -> dict[str, Any]:  # noqa: N803
        names = sorted(name for name in self.held if name.startswith(Prefix))
        start = int(ContinuationToken)
        more = start + 2 < len(names)
        page = {"Contents": [{"Key": name} for name in names[start : start + 2]], "IsTruncated": more}
        return page | ({"NextContinuationToken": str(start + 2)} if more else {})


@pytest.fixture(params=["folder", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return FolderObjects(tmp_path / "store")
    return S3Objects("bucket", "suture", client=BucketInMemory())


def test_what_was_put_is_got_with_its_digest(objects: ObjectStore) -> None:
    stored = objects.put("reports/SUT-1/report.html", b"<p>")
    assert stored.sha256 == hashlib.sha256(b"<p>").hexdigest()
    assert stored.size_bytes == 3
    assert stored.uri.endswith("reports/SUT-1/report.html")
    assert objects.get("reports/SUT-1/report.html") == b"<p>"


def test_the_same_again_is_nothing_other_bytes_are_refused(objects: ObjectStore) -> None:
    objects.put("a/b", b"1")
    objects.put("a/b", b"1")
    with pytest.raises(ObjectStoreError, match="not overwritten"):
        objects.put("a/b", b"2")
    assert objects.get("a/b") == b"1"


def test_keys_are_listed_by_folder(objects: ObjectStore) -> None:
    for key in ("a/1", "a/2", "a/3", "ab/1", "c"):
        objects.put(key, b"")
    assert objects.keys("a") == ["a/1", "a/2", "a/3"]
    assert objects.keys() == ["a/1", "a/2", "a/3", "ab/1", "c"]


def test_a_missing_object_is_named(objects: ObjectStore) -> None:
    with pytest.raises(ObjectStoreError, match="a/none"):
        objects.get("a/none")


BAD_KEYS = [
    "",
    "/",
    "/etc/passwd",
    "../up",
    "a/../../up",
    "a//b",
    "a/",
    "-option",
    "a/.hidden",
    "a\nb",
    "a b",
    "ä",
    "a" * 200,
]


@pytest.mark.parametrize("key", BAD_KEYS)
def test_a_key_that_could_leave_the_store_is_refused(objects: ObjectStore, key: str) -> None:
    with pytest.raises(BadInputError):
        objects.put(key, b"x")
    with pytest.raises(BadInputError):
        objects.get(key)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "out").symlink_to(outside)
    with pytest.raises(BadInputError, match="link"):
        FolderObjects(tmp_path / "store").put("out/file", b"x")
    assert list(outside.iterdir()) == []


def test_a_url_says_which_store_it_is(tmp_path: Path) -> None:
    store = open_objects((tmp_path / "with space").as_uri())
    assert isinstance(store, FolderObjects)
    assert store.root == tmp_path / "with space"
    for url in ("", "http://x/y", "file://host/x", "s3:///x", "ftp://x"):
        with pytest.raises(BadInputError):
            open_objects(url)
