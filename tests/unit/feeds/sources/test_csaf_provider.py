"""A CSAF provider on loopback, with real keys made by gpg: what is not proven is refused, each time with its reason."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from suture.errors import BadInputError
from suture.feeds import FeedSource, FeedStatus, load_files, sync_source
from suture.feeds.policies import FeedsPolicy
from suture.feeds.sources.csaf_provider.proof import UnprovenError, beside
from suture.store import Store
from tests.fleet_rows import NOW
from tests.unit.feeds.sources.conftest import Site, feed
from tests.unit.feeds.sources.test_csaf import document, vulnerability

pytestmark = pytest.mark.database


@dataclass
class Signer:
    home: Path
    fingerprint: str
    keyring: Path

    def sign(self, content: bytes) -> bytes:
        return gpg(self.home, ["--armor", "--detach-sign"], content)


def gpg(home: Path, arguments: list[str], given: bytes = b"") -> bytes:
    command = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", "", *arguments]
    return subprocess.run(command, input=given, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Signer]]:
    made = {}
    for name in ("provider", "stranger"):
        home = tmp_path_factory.mktemp(name[:2])
        home.chmod(0o700)
        gpg(home, ["--quick-gen-key", f"{name} <{name}@example.test>", "ed25519", "sign", "0"])
        listing = gpg(home, ["--with-colons", "--list-keys"]).decode()
        fingerprint = next(row.split(":")[9] for row in listing.splitlines() if row.startswith("fpr"))
        keyring = home / "keys.gpg"
        keyring.write_bytes(gpg(home, ["--export"]))
        made[name] = Signer(home, fingerprint, keyring)
    yield made
    for signer in made.values():
        subprocess.run(["gpgconf", "--homedir", str(signer.home), "--kill", "all"], capture_output=True, check=False)


def advisory(number: int) -> bytes:
    found = document([vulnerability(cve=f"CVE-2024-{number}")])
    found["document"]["tracking"]["id"] = f"DEMO-{number}"
    return json.dumps(found).encode()


def publish(site: Site, signer: Signer, number: int, *, content: bytes | None = None) -> str:
    """Put a document with its hash and signature; its path."""
    raw = content or advisory(number)
    path = f"/white/2024/demo-{number}.json"
    site.replace(path, raw)
    digest = hashlib.sha512(raw).hexdigest()
    site.replace(f"{path}.sha512", f"{digest}  demo-{number}.json\n".encode(), "text/plain")
    site.replace(f"{path}.asc", signer.sign(raw), "text/plain")
    return path


def rolie(site: Site, paths: dict[str, str]) -> None:
    """paths: path → when it was updated."""
    site.replace("/meta.json", {
        "metadata_version": "2.0", "role": "csaf_trusted_provider", "publisher": {"name": "Demo"},
        "canonical_url": f"{site.url}/meta.json", "distributions": [{"rolie": {"feeds": [
            {"url": f"{site.url}/feed.json", "tlp_label": "WHITE"}, {"url": f"{site.url}/secret.json", "tlp_label": "RED"},
        ]}}],
    })  # fmt: skip
    site.replace("/feed.json", {"feed": {"id": "demo", "entry": [
        {"id": path, "updated": moment, "content": {"src": site.url + path, "type": "application/json"},
         "link": [{"rel": "self", "href": site.url + path}, {"rel": "hash", "href": f"{site.url}{path}.sha512"},
                  {"rel": "signature", "href": f"{site.url}{path}.asc"}]}
        for path, moment in paths.items()
    ]}})  # fmt: skip


@pytest.fixture
def source(site: Site, signers: dict[str, Signer]) -> FeedSource:
    provider = signers["provider"]
    return feed(
        site, "demo", "csaf_provider", "csaf", "/meta.json",
        keyrings=(provider.keyring,), fingerprints=frozenset({provider.fingerprint}),
    )  # fmt: skip


def sync(store: Store, source: FeedSource, hours: float = 0) -> Any:
    return sync_source(store, source, now=NOW + timedelta(hours=hours), sleep=lambda _seconds: None)


def reasons(store: Store) -> dict[str, str]:
    rows = store.fetch_all("feed/list_feed_quarantine", {"source": "demo", "max_rows": 100})
    return {row["record_id"]: row["reason"] for row in rows}


def cves(store: Store) -> set[str]:
    rows = store.fetch_all("vex/list_vex_statements", {"source": "demo"})
    return {row["vulnerability"] for row in rows}


def test_proven_documents_are_taken_in_and_only_newer_ones_asked_for_again(
    store: Store, site: Site, source: FeedSource, signers: dict[str, Signer]
) -> None:
    paths = {
        publish(site, signers["provider"], number): f"2024-05-0{number - 1000}T00:00:00Z" for number in (1001, 1002)
    }
    rolie(site, paths)
    outcome = sync(store, source)
    assert (outcome.status, outcome.quarantined, outcome.reason) == (FeedStatus.ACCEPTED, 0, None)
    assert cves(store) == {"CVE-2024-1001", "CVE-2024-1002"}
    assert "/secret.json" not in {path for path, _query, _headers in site.requests}
    site.requests.clear()
    assert sync(store, source, 1).status is FeedStatus.UNCHANGED
    assert {path for path, _query, _headers in site.requests} == {"/meta.json", "/feed.json"}
    paths[publish(site, signers["provider"], 1003)] = "2024-05-03T00:00:00Z"
    rolie(site, paths)
    site.requests.clear()
    assert sync(store, source, 2).status is FeedStatus.ACCEPTED
    assert [path for path, _query, _headers in site.requests][2:] == [
        f"/white/2024/demo-1003.json{end}" for end in ("", ".sha512", ".asc")
    ]
    assert "CVE-2024-1003" in cves(store)


def _remove(*ends: str) -> Callable[[Site, dict[str, Signer], str], None]:
    def change(site: Site, _signers: dict[str, Signer], path: str) -> None:
        for end in ends:
            site.answers.pop(path + end)

    return change


def _put(end: str, content: bytes) -> Callable[[Site, dict[str, Signer], str], None]:
    return lambda site, _signers, path: site.replace(path + end, content, "text/plain")


def _tampered(site: Site, _signers: dict[str, Signer], path: str) -> None:
    raw = advisory(1002).replace(b"CVE-2024-1002", b"CVE-2024-6666")
    site.replace(path, raw)
    site.replace(f"{path}.sha512", f"{hashlib.sha512(raw).hexdigest()}  demo-1002.json".encode(), "text/plain")


BAD: dict[str, tuple[Callable[[Site, dict[str, Signer], str], None], str]] = {
    "no hash": (_remove(".sha512"), "it has no hash file"),
    "another hash": (_put(".sha512", b"0" * 128 + b"  demo-1002.json"), "SHA512 is not the one that the provider publishes"),
    "a hash of another file": (_put(".sha512", b"0" * 128 + b"  other.json"), "its hash file is of another file"),
    "a short hash": (_put(".sha512", b"0" * 64 + b"  demo-1002.json"), "holds a shorter hash"),
    "no hash in it": (_put(".sha512", b"trust me"), "holds no single SHA-256 or SHA-512"),
    "no signature": (_remove(".asc"), "it has no signature file"),
    "no OpenPGP": (_put(".asc", b"trust me"), "signature_invalid"),
    "a changed document": (_tampered, "signature_invalid"),
    "a stranger's signature": (
        lambda site, signers, path: site.replace(f"{path}.asc", signers["stranger"].sign(advisory(1002)), "text/plain"),
        "key_untrusted",
    ),
    "not there": (_remove(""), "it is listed and not there"),
    "another document's name": (
        lambda site, signers, _path: publish(site, signers["provider"], 1002, content=advisory(1009)) and None,
        "the file holds the document DEMO-1009",
    ),
    "no CSAF": (
        lambda site, signers, _path: publish(site, signers["provider"], 1002, content=b'{"document": 1}') and None,
        "Expected `object`, got `int`",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_proven_is_refused_with_its_reason_and_holds_up_no_other(
    store: Store, site: Site, source: FeedSource, signers: dict[str, Signer], name: str
) -> None:
    change, reason = BAD[name]
    paths = {
        publish(site, signers["provider"], number): f"2024-05-0{number - 1000}T00:00:00Z"
        for number in (1001, 1002, 1003)
    }
    rolie(site, paths)
    change(site, signers, "/white/2024/demo-1002.json")
    outcome = sync(store, source)
    assert (outcome.status, outcome.quarantined) == (FeedStatus.ACCEPTED, 1)
    assert cves(store) == {"CVE-2024-1001", "CVE-2024-1003"}
    assert reason in reasons(store)["demo-1002.json"]
    publish(site, signers["provider"], 1002)  # mended: it is asked for again
    assert sync(store, source, 1).status is FeedStatus.ACCEPTED
    assert "CVE-2024-1002" in cves(store)


def test_directories_are_walked_where_there_is_no_rolie_feed(
    store: Store, site: Site, source: FeedSource, signers: dict[str, Signer]
) -> None:
    publish(site, signers["provider"], 1001)
    site.put("/meta.json", {
        "metadata_version": "2.0", "role": "csaf_provider", "publisher": {"name": "Demo"},
        "distributions": [{"directory_url": f"{site.url}/white"}],
    })  # fmt: skip
    listed = b'"2024/demo-1001.json","2024-05-01T00:00:00Z"\n"../../etc/passwd","2024-05-01T00:00:00Z"\n"2024/demo-9.json","soon"\n'
    site.put("/white/changes.csv", listed, "text/csv")
    outcome = sync(store, source)
    assert (outcome.status, outcome.quarantined, cves(store)) == (FeedStatus.ACCEPTED, 2, {"CVE-2024-1001"})
    said = " ".join(reasons(store).values())
    assert "line 2: '../../etc/passwd' is no path inside the directory" in said
    assert "line 3: Invalid isoformat" in said
    site.answers.pop("/white/changes.csv")
    site.put("/white/index.txt", b"2024/demo-1001.json\n", "text/plain")
    assert sync(store, replace(source, name="demo2"), 1).status is FeedStatus.ACCEPTED


def test_documents_elsewhere_are_not_asked_for(
    store: Store, site: Site, source: FeedSource, signers: dict[str, Signer]
) -> None:
    publish(site, signers["provider"], 1001)
    rolie(site, {"/white/2024/demo-1001.json": "2024-05-01T00:00:00Z"})
    raw = json.loads(site.answers["/feed.json"][0][0])
    raw["feed"]["entry"][0]["content"]["src"] = "https://169.254.169.254/demo-1001.json"
    site.replace("/feed.json", raw)
    outcome = sync(store, source)
    assert outcome.status is FeedStatus.QUARANTINED
    assert "none of the hosts that policy allows" in (outcome.reason or "")


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [({"metadata_version": "2.0", "role": "x", "publisher": {"name": "d"}}, "names no open ROLIE feed"), ([], "Expected `object`"),
     ({"metadata_version": "3", "role": "x", "publisher": {"name": "d"}}, "only 2.0")],
)  # fmt: skip
def test_metadata_that_leads_nowhere_is_refused(
    store: Store, site: Site, source: FeedSource, metadata: Any, reason: str
) -> None:
    site.put("/meta.json", metadata)
    outcome = sync(store, source)
    assert outcome.status is FeedStatus.QUARANTINED
    assert reason in (outcome.reason or "")


def test_a_policy_that_pins_no_key_must_say_so(tmp_path: Path) -> None:
    defaults = (
        "{enabled: true, timeout_seconds: 1, total_seconds: 1, max_bytes: 1, retries: 0, retry_wait_seconds: 0, "
        "max_retry_wait_seconds: 0, max_shrink_share: 0, min_records: 0, freshness_hours: 1}"
    )
    entry = "{name: demo, format: csaf_provider, transport: csaf, url: 'https://example.test/meta.json'%s}"
    for more, fine in (("", False), (", unsigned: true", True), (", keyrings: [k.gpg]", False)):
        (tmp_path / "feeds.yaml").write_text(f"defaults: {defaults}\nsources:\n  - {entry % more}\n")
        if fine:
            assert FeedsPolicy.load(tmp_path).sources[0].unsigned
        else:
            with pytest.raises(BadInputError):
                FeedsPolicy.load(tmp_path)


@pytest.fixture
def clock(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The fetcher's clock: the real one, and what the server's documents are said to have taken besides."""
    real = time.monotonic
    monkeypatch.setattr("suture.feeds.fetch.time", SimpleNamespace(monotonic=lambda: real() + site.skipped))
    return site


def test_a_slow_provider_ends_after_its_time_and_the_next_sync_goes_on(
    store: Store, site: Site, clock: Site, source: FeedSource, signers: dict[str, Signer]
) -> None:
    assert clock is site
    paths = {
        publish(site, signers["provider"], number): f"2024-05-0{number - 1000}T00:00:00Z"
        for number in (1001, 1002, 1003, 1004)
    }
    rolie(site, paths)
    site.skips["/white/2024/demo-1002.json"] = 120
    short = replace(source, sync_seconds=100, total_seconds=500)
    outcome = sync(store, short)
    assert outcome.status is FeedStatus.ACCEPTED
    assert outcome.reason is not None
    assert "2 of 4 documents asked for, then its 100 s were over" in outcome.reason
    assert cves(store) == {"CVE-2024-1001", "CVE-2024-1002"}
    assert reasons(store) == {}  # what was not asked for is not a fault
    site.requests.clear()
    assert sync(store, short, 1).reason is None
    asked = [path for path, _query, _headers in site.requests if path.endswith(".json")]
    assert asked == ["/meta.json", "/feed.json", "/white/2024/demo-1003.json", "/white/2024/demo-1004.json"]
    assert len(cves(store)) == 4


def test_documents_of_one_time_are_not_split_by_the_end_of_the_time(
    store: Store, site: Site, clock: Site, source: FeedSource, signers: dict[str, Signer]
) -> None:
    moments = {1001: "2024-05-01", 1002: "2024-05-02", 1003: "2024-05-02", 1004: "2024-05-02"}
    rolie(site, {publish(site, signers["provider"], n): f"{day}T00:00:00Z" for n, day in moments.items()})
    assert clock is site
    site.skips["/white/2024/demo-1002.json"] = 120
    assert sync(store, replace(source, sync_seconds=100, total_seconds=500)).reason is None  # finished within the grace
    assert len(cves(store)) == 4


def test_a_document_that_hangs_is_cut_off_and_its_time_is_asked_for_again(
    store: Store, site: Site, source: FeedSource, signers: dict[str, Signer]
) -> None:
    moments = {1001: "2024-05-01", 1002: "2024-05-02", 1003: "2024-05-02"}
    rolie(site, {publish(site, signers["provider"], n): f"{day}T00:00:00Z" for n, day in moments.items()})
    site.delays["/white/2024/demo-1003.json"] = 100
    began = time.monotonic()
    outcome = sync(store, replace(source, sync_seconds=10, timeout_seconds=200, total_seconds=200))
    assert time.monotonic() - began < 90  # half as long again, and what it takes to write
    assert outcome.reason is not None
    assert "2 of 3 documents asked for" in outcome.reason
    assert cves(store) == {"CVE-2024-1001", "CVE-2024-1002"}
    assert outcome.data_date is not None
    assert outcome.data_date.date().isoformat() == "2024-05-01"
    site.delays.clear()
    assert sync(store, source, 1).reason is None
    assert len(cves(store)) == 3


def test_a_provider_whose_list_alone_takes_too_long_is_unreachable(
    store: Store, site: Site, source: FeedSource, signers: dict[str, Signer]
) -> None:
    rolie(site, {publish(site, signers["provider"], 1001): "2024-05-01T00:00:00Z"})
    site.delays["/meta.json"] = 2
    outcome = sync(store, replace(source, sync_seconds=0.2))
    assert outcome.status is FeedStatus.UNREACHABLE
    assert outcome.reason is not None
    assert "its time for one sync (0.2 s, sync_seconds) is over" in outcome.reason


def test_files_that_are_loaded_by_hand_are_held_to_what_lies_beside_them(
    store: Store, source: FeedSource, signers: dict[str, Signer], tmp_path: Path
) -> None:
    """1: good; 2: its content is not that of its hash; 3: no signature; 4: a stranger's; 5: no hash, and a good signature."""
    for number in range(1, 6):
        raw, file = advisory(1000 + number), tmp_path / f"demo-{number}.json"
        file.write_bytes(raw if number != 2 else raw.replace(b"CVE-2024-1002", b"CVE-2024-9999"))
        if number != 5:
            (tmp_path / f"{file.name}.sha512").write_text(f"{hashlib.sha512(raw).hexdigest()}  {file.name}\n", "utf-8")
        if number != 3:
            signer = signers["stranger" if number == 4 else "provider"]
            (tmp_path / f"{file.name}.asc").write_bytes(signer.sign(raw))
    outcome = load_files(store, source, [tmp_path], now=datetime.now(UTC))
    assert (outcome.status, outcome.quarantined) == (FeedStatus.ACCEPTED, 3), outcome.sentence
    assert cves(store) == {"CVE-2024-1001", "CVE-2024-1005"}
    told = " ".join(f"{name} {why}" for name, why in sorted(reasons(store).items()))
    for number, why in ((2, "its SHA512 is not the one"), (3, "no signature (.asc) lies beside it"), (4, "key_untrusted")):
        assert re.search(rf"demo-{number}\.json (?:(?!demo-\d\.json ).)*{re.escape(why)}", told)
    unsigned = replace(source, keyrings=(), fingerprints=frozenset(), unsigned=True)
    outcome = load_files(store, unsigned, [tmp_path / "demo-2.json"], now=datetime.now(UTC))
    assert (outcome.status, "its SHA512" in (outcome.reason or "")) == (FeedStatus.QUARANTINED, True)
    assert load_files(store, unsigned, [tmp_path / "demo-3.json"], now=datetime.now(UTC)).status is FeedStatus.ACCEPTED


def _proofs(signer: Signer, raw: bytes, name: str) -> dict[str, bytes]:
    """What a provider puts beside a document."""
    digest = hashlib.sha512(raw).hexdigest()
    return {f"{name}.sha512": f"{digest}  {name}\n".encode(), f"{name}.asc": signer.sign(raw)}


def _archive(path: Path, members: dict[str, bytes]) -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as packed:
            for name, content in members.items():
                packed.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz") as packed_tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            packed_tar.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("name", ["copy.zip", "copy.tar.gz", f"{'c' * 200}.zip"])
def test_an_archive_is_refused_where_keys_are_pinned_and_the_remedy_is_told(
    store: Store, source: FeedSource, signers: dict[str, Signer], tmp_path: Path, name: str
) -> None:
    raw = advisory(1001)
    proofs = _proofs(signers["provider"], raw, "demo-1.json")
    long = f"{'d' * 150}.json"  # with the archive's name, longer than a file's name may be
    members = {"demo-1.json": raw, long: raw, **proofs}
    outcome = load_files(store, source, [_archive(tmp_path / name, members)], now=datetime.now(UTC))
    assert (outcome.quarantined, cves(store)) == (2, set())
    told = reasons(store)
    assert len(told) == 2
    for why in told.values():
        assert "no signature (.asc) is looked for within an archive or a pipe: unpack it first, and load the folder" in why
    for member, content in members.items():
        if member != long:
            (tmp_path / member).write_bytes(content)
    (tmp_path / name).unlink()
    assert load_files(store, source, [tmp_path], now=datetime.now(UTC)).status is FeedStatus.ACCEPTED
    assert cves(store) == {"CVE-2024-1001"}


def test_a_members_name_opens_nothing_and_without_pins_it_is_taken_at_the_loaders_word(
    store: Store, source: FeedSource, tmp_path: Path
) -> None:
    archive = _archive(tmp_path / "copy.zip", {"demo-1.json": advisory(1001)})
    (tmp_path / "copy.zip:demo-1.json.sha512").write_text("of no file that is there", "utf-8")
    unsigned = replace(source, keyrings=(), fingerprints=frozenset(), unsigned=True)
    assert load_files(store, unsigned, [archive], now=datetime.now(UTC)).status is FeedStatus.ACCEPTED
    assert cves(store) == {"CVE-2024-1001"}


def test_what_lies_beside_a_packed_file_is_of_the_packed_bytes(
    store: Store, source: FeedSource, signers: dict[str, Signer], tmp_path: Path
) -> None:
    for number, proven in ((1, None), (2, advisory(1002))):  # of 2, hash and signature are of what it inflates to
        packed = gzip.compress(advisory(1000 + number))
        name = f"demo-{number}.json.gz"
        (tmp_path / name).write_bytes(packed)
        for its, content in _proofs(signers["provider"], proven or packed, name).items():
            (tmp_path / its).write_bytes(content)
    outcome = load_files(store, source, [tmp_path], now=datetime.now(UTC))
    assert (outcome.status, outcome.quarantined, cves(store)) == (FeedStatus.ACCEPTED, 1, {"CVE-2024-1001"})
    (told,) = reasons(store).items()
    assert told[0].endswith("demo-2.json.gz")
    assert "its SHA512 is not the one" in told[1]


def test_a_packed_file_that_changes_between_reading_and_proof_is_refused(
    source: FeedSource, signers: dict[str, Signer], tmp_path: Path
) -> None:
    file = tmp_path / "demo-1.json.gz"
    file.write_bytes(gzip.compress(advisory(1001)))
    for name, content in _proofs(signers["provider"], file.read_bytes(), file.name).items():
        (tmp_path / name).write_bytes(content)
    require = beside(source, datetime.now(UTC))
    require(str(file), advisory(1001))
    with pytest.raises(UnprovenError, match="it changed while it was loaded"):
        require(str(file), advisory(1002))


@pytest.mark.parametrize("end", [".sha512", ".sha256", ".asc"])
@pytest.mark.parametrize("how", ["a folder", "a loop of links"])
def test_a_proof_that_cannot_be_read_does_not_count_as_not_there(
    source: FeedSource, signers: dict[str, Signer], tmp_path: Path, end: str, how: str
) -> None:
    raw, file = advisory(1001), tmp_path / "demo-1.json"
    file.write_bytes(raw)
    place = tmp_path / f"{file.name}{end}"
    if how == "a folder":
        place.mkdir()
    else:
        place.symlink_to(place.name)
    if end != ".asc":
        (tmp_path / f"{file.name}.asc").write_bytes(signers["provider"].sign(raw))
    with pytest.raises(UnprovenError, match=re.escape(f"its {end} file cannot be read: ")):
        beside(source, datetime.now(UTC))(str(file), raw)
