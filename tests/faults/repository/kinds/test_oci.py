"""Images by digest, from a layout folder and from a registry on loopback; each attack with its reason."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from suture.errors import BadInputError
from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.kinds import KindAdoption, Request
from suture.sourcing.kinds.attested import Attester, Identity
from suture.sourcing.kinds.oci import OciSource
from suture.sourcing.transport import FolderTransport, HttpTransport
from tests.faults.repository.kinds.sigstore_world import ISSUER, NOW, REPOSITORY, WORKFLOW, World

R = RefusalReason
INDEX, MANIFEST = "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
AT = NOW + timedelta(minutes=1)


@dataclass
class Layout:
    """An image for two platforms, and an attestation of it."""

    root: Path
    world: World = field(default_factory=World)
    digest: str = ""
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def blob(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(data).hexdigest()
        path = self.root / "blobs" / "sha256" / digest
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def document(self, media_type: str, **fields: Any) -> dict[str, Any]:
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **fields}).encode()
        return self.blob(data, media_type)

    def publish(
        self,
        *,
        edit: Callable[[dict[str, Any]], object] = id,
        edit_index: Callable[[dict[str, Any]], object] = id,
        **attested: Any,
    ) -> Layout:
        manifests = []
        for architecture in ("amd64", "arm64"):
            config = self.blob(
                json.dumps({"architecture": architecture}).encode(), "application/vnd.oci.image.config.v1+json"
            )
            layer = self.blob(f"layer of {architecture} ".encode() * 200, "application/vnd.oci.image.layer.v1.tar+gzip")
            fields = {"config": config, "layers": [layer]}
            self.parts[architecture] = json.loads(json.dumps({"config": config, "layer": layer}))
            if architecture == "amd64":
                edit(fields)
            manifest = self.document(MANIFEST, **fields)
            self.parts[architecture]["manifest"] = manifest
            manifests.append({**manifest, "platform": {"os": "linux", "architecture": architecture}})
        fields = {"manifests": manifests}
        edit_index(fields)
        image = self.document(INDEX, **fields)
        self.digest = image["digest"]
        bundle = self.world.attest("", attested.pop("sha256", self.digest.partition(":")[2]), **attested)
        layer = self.blob(json.dumps(bundle).encode(), BUNDLE)
        empty = self.blob(b"{}", "application/vnd.oci.empty.v1+json")
        self.parts["bundle"] = layer
        referrer = self.document(MANIFEST, artifactType=BUNDLE, config=empty, layers=[layer], subject=image)
        self.referrers = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [{**referrer, "artifactType": BUNDLE}]}
        (self.root / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        whole = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [image, referrer]}
        (self.root / "index.json").write_text(json.dumps(whole))
        return self

    def path(self, *names: str) -> Path:
        found: Any = self.parts
        for name in names:
            found = found[name]
        return self.root / "blobs" / found["digest"].replace(":", "/")

    def source(self, *, attested: bool = True, **changes: Any) -> OciSource:
        root = self.world.trusted_root(self.root / "trusted_root.json")
        attester = Attester(root, Identity(ISSUER, repository=REPOSITORY, workflow=WORKFLOW)) if attested else None
        return OciSource("vendor", str(self.root), self.digest, attester=attester, **changes)

    def prove(self, **changes: Any) -> KindAdoption:
        return self.source(**changes).prove(FolderTransport(self.root), Request(AT))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "layout")


def refused(prove: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as found:
        prove()
    return found.value


def test_an_image_is_proven_with_all_its_platforms(layout: Layout) -> None:
    found = layout.publish().prove()
    assert len(found.files) == 4
    assert sorted(found.chain()["manifests"].values()) == ["linux/amd64", "linux/arm64"]
    assert found.chain()["attestation"]["signer"] == f"{REPOSITORY}/{WORKFLOW}"
    one = layout.prove(platforms=("linux/arm64",), attested=False)
    assert len(one.files) == 2
    assert "policy's word" in one.not_proven[0]
    assert refused(lambda: layout.prove(platforms=("linux/s390x",))).reason is R.IDENTITY_MISMATCH


def _write(*names: str, data: Callable[[bytes], bytes]) -> Callable[[Layout], None]:
    def attack(layout: Layout) -> None:
        path = layout.publish().path(*names)
        path.write_bytes(data(path.read_bytes()))

    return attack


def _strange(data: bytes) -> bytes:
    return data[:-2] + b"!" + data[-1:]


def both_at_once(fields: dict[str, Any]) -> None:
    fields["manifests"] = []


EMPTY = '{"schemaVersion": 2, "manifests": []}'
ATTACKS: list[tuple[str, Callable[[Layout], object], RefusalReason]] = [
    ("swapped layer", _write("amd64", "layer", data=_strange), R.HASH_MISMATCH),
    ("cut layer", _write("amd64", "layer", data=lambda d: d[:-1]), R.TRUNCATED),
    ("longer layer", _write("amd64", "layer", data=lambda d: d + b"!"), R.SIZE_MISMATCH),
    ("swapped config", _write("amd64", "config", data=_strange), R.HASH_MISMATCH),
    ("swapped manifest", _write("amd64", "manifest", data=_strange), R.HASH_MISMATCH),
    ("longer manifest", _write("amd64", "manifest", data=lambda d: d + b" "), R.SIZE_MISMATCH),
    ("missing layer", lambda i: i.publish().path("arm64", "layer").unlink(), R.UNREACHABLE),
    ("swapped bundle", _write("bundle", data=_strange), R.HASH_MISMATCH),
    ("weak layer", lambda i: i.publish(edit=lambda f: f["layers"][0].update(digest="sha1:" + "0" * 40)), R.WEAK_HASH),
    ("no digest", lambda i: i.publish(edit=lambda f: f["layers"][0].update(digest="../../etc/passwd")), R.MALFORMED),
    ("no size", lambda i: i.publish(edit=lambda f: f["layers"][0].pop("size")), R.MALFORMED),
    ("wrong size", lambda i: i.publish(edit=lambda f: f["layers"][0].update(size=7)), R.SIZE_MISMATCH),
    ("negative size", lambda i: i.publish(edit=lambda f: f["layers"][0].update(size=-7)), R.MALFORMED),
    ("both at once", lambda i: i.publish(edit=both_at_once), R.MALFORMED),
    ("many", lambda i: i.publish(edit_index=lambda f: f.update(manifests=f["manifests"] * 50)), R.MALFORMED),
    ("another image attested", lambda i: i.publish(sha256="0" * 64), R.HASH_MISMATCH),
    ("another repository", lambda i: i.publish(repository="https://forge.test/thief/x"), R.IDENTITY_MISMATCH),
    ("nothing attached", lambda i: (i.publish().root / "index.json").write_text(EMPTY), R.SIGNATURE_MISSING),
]  # fmt: skip


@pytest.mark.parametrize(("attack", "reason"), [pytest.param(a, r, id=n) for n, a, r in ATTACKS])
def test_an_attack_is_refused_with_its_reason(
    layout: Layout, attack: Callable[[Layout], object], reason: RefusalReason
) -> None:
    attack(layout)
    found = refused(layout.prove)
    assert found.reason is reason, found.sentence


def test_a_moved_image_is_not_the_pinned_one(layout: Layout) -> None:
    pinned = layout.publish().source()
    (layout.root / "blobs" / pinned.digest.replace(":", "/")).write_bytes(layout.path("amd64", "manifest").read_bytes())
    assert refused(lambda: pinned.prove(FolderTransport(layout.root), Request(AT))).reason is R.HASH_MISMATCH


def test_a_digest_that_is_none_is_bad_input() -> None:
    for digest in ("latest", "sha256:abc", "md5:" + "0" * 32):
        with pytest.raises(BadInputError):
            OciSource("vendor", "x", digest)


# -- a registry ---------------------------------------------------------------------------------------------------------


@contextmanager
def registry(
    layout: Layout, *, wants_token: bool = False, realm: str | None = None, password: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Distribution API v2 over a layout, on loopback. password: what the token service asks for (basic)."""
    seen: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(f"{self.path} {self.headers.get('Authorization', '')}".strip())
            if self.path.startswith("/token?"):
                import base64

                right = (
                    not password
                    or self.headers.get("Authorization") == "Basic " + base64.b64encode(password.encode()).decode()
                )
                self._answer(200 if right else 403, json.dumps({"token": "t0ken"}).encode() if right else b"")
            elif wants_token and self.headers.get("Authorization") != "Bearer t0ken":
                address = realm or f"http://127.0.0.1:{self.server.server_port}/token"  # type: ignore[attr-defined]
                self._answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{address}",service="registry.test"'})
            elif self.path == "/v2/":
                self._answer(200, b"{}")
            elif "/referrers/" in self.path:
                self._answer(200, json.dumps(layout.referrers).encode())
            else:
                path = layout.root / "blobs" / self.path.rpartition("/")[2].replace(":", "/")
                known = self.path.startswith("/v2/vendor/portal/") and path.is_file()
                self._answer(200 if known else 404, path.read_bytes() if known else b"")

        def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        server.server_close()


def pull(layout: Layout, url: str, **changes: Any) -> KindAdoption:
    return layout.source(repository="vendor/portal", **changes).prove(HttpTransport(url, timeout_s=30), Request(AT))


@pytest.mark.parametrize("wants_token", [False, True])
def test_a_registry_is_asked_by_digest_with_a_token_where_it_wants_one(layout: Layout, wants_token: bool) -> None:
    layout.publish()
    with registry(layout, wants_token=wants_token) as (url, seen):
        assert len(pull(layout, url).files) == 4
    assert any("/token?" in line and "repository%3Avendor%2Fportal%3Apull" in line for line in seen) == wants_token
    assert not any("latest" in line for line in seen)


def test_a_password_goes_to_the_registrys_own_token_service_only(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout.publish()
    monkeypatch.setenv("REGISTRY_PASSWORD", "user:secret")
    with registry(layout, wants_token=True, password="user:secret") as (url, _seen):
        assert pull(layout, url, token="REGISTRY_PASSWORD").files
        assert refused(lambda: pull(layout, url)).reason is R.UNREACHABLE
    with (
        registry(layout) as (elsewhere, thief),
        registry(layout, wants_token=True, realm=f"{elsewhere}/token") as (url, _seen),
    ):
        found = refused(lambda: pull(layout, url, token="REGISTRY_PASSWORD"))
        assert found.reason is R.UNREACHABLE
        assert "not followed" in found.sentence
        assert thief == []
    monkeypatch.delenv("REGISTRY_PASSWORD")
    with pytest.raises(BadInputError):
        pull(layout, url, token="REGISTRY_PASSWORD")


def test_a_registry_without_the_image_is_unreachable(layout: Layout) -> None:
    layout.publish()
    with registry(layout) as (url, _seen):
        source = layout.source(repository="vendor/other")
        assert refused(lambda: source.prove(HttpTransport(url), Request(AT))).reason is R.UNREACHABLE
