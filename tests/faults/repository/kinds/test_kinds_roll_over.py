"""Keys change over (F16) at sources of the other kinds: the overlap works, the unknown is refused, the alarm comes in time."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from suture.errors import BadInputError
from suture.policy import PolicyError
from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.keyring import PinRule
from suture.sourcing.kinds import KindAdoption, Request, load_kind_source
from suture.sourcing.kinds.plain import PlainSource
from suture.sourcing.kinds.rpm_md import REPOMD, RpmSource
from suture.sourcing.transport import FolderTransport
from tests.faults.repository.builder import Key
from tests.faults.repository.conftest import ROLL_OVER, Pair
from tests.faults.repository.kinds.test_plain import DATA, LIST, Signer
from tests.faults.repository.kinds.test_rpm_md import NEEDED, build, run, sign
from tests.faults.repository.kinds.test_tuf import ROLES
from tests.faults.repository.kinds.test_tuf import Vendor as TufVendor

R = RefusalReason
NOW = ROLL_OVER
END = NOW + timedelta(days=20)  # of the old key
AFTER = END + timedelta(days=1)
needs_rpm = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in NEEDED), reason=f"needs {', '.join(NEEDED)} (packages rpm, createrepo-c)"
)
KINDS = [pytest.param("rpm-md", marks=needs_rpm), "plain"]


@dataclass(frozen=True)
class Place:
    """A source of one of the two kinds, published with signatures of any of the pair's keys."""

    kind: str
    root: Path
    pair: Pair
    unsigned: Path | None

    def publish(self, *keys: Key, at: datetime = NOW, package_key: Key | None = None) -> Place:
        made = min(at, END - timedelta(hours=1))  # an expired key signs no more; what it signed stays as it is
        shutil.rmtree(self.root, ignore_errors=True)
        self.root.mkdir()
        if self.unsigned is None:
            (self.root / "agent.bin").write_bytes(DATA)
            run("sh", "-c", f"cd {self.root} && sha256sum agent.bin > {LIST}")
            signed = self.root / LIST
        else:
            signer = package_key or keys[-1]
            sign(self.unsigned, signer, self.root / "portal-1.0-1.noarch.rpm", at=made)
            run("createrepo_c", "--quiet", "--no-database", "--revision", f"{at:%s}", "--set-timestamp-to-revision", str(self.root))
            signed = self.root / REPOMD
        block = Key.sign_together(keys, signed.read_bytes(), made, form="--detach-sign")
        signed.with_name(f"{signed.name}.asc").write_bytes(block)
        return self

    def prove(self, keyring: Path, *pins: str, at: datetime = NOW, **rules: PinRule) -> KindAdoption:
        stated = {pin: PinRule() for pin in pins} | dict(zip(pins, rules.values(), strict=False))
        source: RpmSource | PlainSource
        if self.kind == "plain":
            source = PlainSource("vendor", str(self.root), LIST, keyrings=(keyring,), pins=stated)
        else:
            source = RpmSource("vendor", str(self.root), (keyring,), stated, stated)
        return source.prove(FolderTransport(self.root), Request(at))

    def refused(self, keyring: Path, *pins: str, at: datetime = NOW, **rules: PinRule) -> RefusalReason:
        with pytest.raises(Refusal) as found:
            self.prove(keyring, *pins, at=at, **rules)
        return found.value.reason


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("rpm"), "1.0")


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path, pair: Pair) -> Place:
    package = request.getfixturevalue("unsigned") if request.param == "rpm-md" else None
    return Place(request.param, tmp_path / "vendor", pair, package)


def test_the_alarm_comes_thirty_days_before_the_end_and_names_who_follows(place: Place, pair: Pair) -> None:
    early = END - timedelta(days=31)
    assert place.publish(pair.old, at=early).prove(pair.both, *pair.pins, at=early).alarms == ()
    place.publish(pair.old)
    found = place.prove(pair.both, *pair.pins)
    assert len(found.alarms) == 1, "one alarm, though list and package are signed by the same key"
    assert f"{END:%Y-%m-%d}" in found.alarms[0]
    assert f"its successor {pair.pins[1]} is pinned" in found.alarms[0]
    assert found.chain()["alarms"] == list(found.alarms)
    assert "pin its successor" in place.prove(pair.only_old, pair.pins[0]).alarms[0]
    assert place.publish(pair.new).prove(pair.both, *pair.pins).alarms == ()
    absent = place.publish(pair.old).prove(pair.only_old, *pair.pins).alarms
    assert any(pair.pins[1] in alarm and "no keyring" in alarm for alarm in absent)


@pytest.mark.parametrize("order", ["old first", "new first"])
def test_both_signatures_are_adopted_by_whoever_knows_one_of_them(place: Place, pair: Pair, order: str) -> None:
    keys = (pair.old, pair.new) if order == "old first" else (pair.new, pair.old)
    place.publish(*keys, package_key=pair.old)
    assert pair.pins[0] in place.prove(pair.only_old, pair.pins[0]).sentence
    assert place.prove(pair.both, *pair.pins)
    place.publish(*keys, at=AFTER - timedelta(hours=3), package_key=pair.new)
    found = place.prove(pair.both, *pair.pins, at=AFTER)
    assert pair.pins[1] in found.sentence, "the old one has expired: the new one carries on alone"
    assert place.refused(pair.only_old, pair.pins[0], at=AFTER) is R.KEY_EXPIRED


def test_the_new_key_is_refused_until_it_is_pinned(place: Place, pair: Pair) -> None:
    place.publish(pair.new)
    assert place.refused(pair.only_old, pair.pins[0]) is R.KEY_UNTRUSTED
    assert place.refused(pair.both, pair.pins[0]) is R.KEY_UNTRUSTED
    assert place.prove(pair.both, *pair.pins)


def test_a_revoked_key_is_refused_and_its_successor_carries_on(place: Place, pair: Pair) -> None:
    place.publish(pair.old)
    assert place.refused(pair.old_revoked, *pair.pins) is R.KEY_REVOKED
    place.publish(pair.old, pair.new, package_key=pair.new)
    found = place.prove(pair.old_revoked, *pair.pins)
    assert pair.pins[1] in found.sentence
    assert any("revoked" in note for note in found.notes)


def test_a_pin_counts_from_its_day_until_its_day(place: Place, pair: Pair) -> None:
    place.publish(pair.old)
    assert place.refused(pair.both, *pair.pins, old=PinRule(accept_until=NOW - timedelta(days=1))) is R.KEY_EXPIRED
    ending = place.prove(pair.both, *pair.pins, old=PinRule(accept_until=NOW + timedelta(days=3)))
    assert "3 days from now" in ending.alarms[0]
    place.publish(pair.new)
    awaited = PinRule(accept_from=NOW + timedelta(days=1))
    assert place.refused(pair.both, *pair.pins, old=PinRule(), new=awaited) is R.KEY_UNTRUSTED


@needs_rpm
def test_packages_signed_by_the_key_that_ends_are_an_alarm_although_the_list_is_not(
    tmp_path: Path, pair: Pair, unsigned: Path
) -> None:
    place = Place("rpm-md", tmp_path / "vendor", pair, unsigned).publish(pair.new, package_key=pair.old)
    (alarm,) = place.prove(pair.both, *pair.pins).alarms
    assert pair.pins[0] in alarm
    later = place.publish(pair.new, at=AFTER - timedelta(hours=3), package_key=pair.old)
    assert later.refused(pair.both, *pair.pins, at=AFTER) is R.KEY_EXPIRED, "the list's key does not save the package"


# -- minisign and signify: policy's days alone say how long a key counts ------------------------------------------------


def prove_file(root: Path, form: str, signer: Signer, old: PinRule, new: PinRule | None = None) -> KindAdoption:
    root.mkdir(exist_ok=True)
    suffix = {"minisign": ".minisig", "signify": ".sig"}[form]
    (root / "agent.bin").write_bytes(DATA)
    (root / f"agent.bin{suffix}").write_text(signer.minisign(DATA) if form == "minisign" else signer.signify(DATA))
    keys = {Signer(1).public: old, Signer(2).public: new or PinRule()}
    source = PlainSource(
        "vendor", str(root), None, ("agent.bin",), form, suffix, public_keys=tuple(keys), key_rules=keys
    )
    return source.prove(FolderTransport(root), Request(NOW))


@pytest.mark.parametrize("form", ["minisign", "signify"])
def test_an_ed25519_key_changes_over_by_policys_days(tmp_path: Path, form: str) -> None:
    def refused(signer: Signer, old: PinRule, new: PinRule) -> RefusalReason:
        with pytest.raises(Refusal) as found:
            prove_file(tmp_path / "a", form, signer, old, new)
        return found.value.reason

    old, new, lasting = Signer(1), Signer(2), PinRule()
    ending = PinRule(accept_until=NOW + timedelta(days=10))
    assert prove_file(tmp_path / "a", form, old, lasting).alarms == ()
    (alarm,) = prove_file(tmp_path / "a", form, old, ending).alarms
    assert "10 days from now; its successor 0202020202020202 is pinned" in alarm
    (alone,) = prove_file(tmp_path / "a", form, old, ending, ending).alarms
    assert "pin its successor" in alone
    assert prove_file(tmp_path / "a", form, new, ending).alarms == ()
    assert prove_file(tmp_path / "a", form, old, PinRule(accept_until=NOW + timedelta(days=31))).alarms == ()
    assert refused(old, PinRule(accept_until=NOW), lasting) is R.KEY_EXPIRED
    assert refused(new, ending, PinRule(accept_from=NOW + timedelta(days=1))) is R.KEY_UNTRUSTED
    assert prove_file(tmp_path / "a", form, new, ending, PinRule(accept_from=NOW)).files


def test_the_days_of_an_ed25519_key_are_read_from_policy(tmp_path: Path) -> None:
    def policy(keys: str) -> PlainSource:
        (tmp_path / "sources.yaml").write_text(
            f"sources:\n  - {{name: a, kind: plain, format: minisign, address: /x, files: [agent.bin], public_keys: {keys}}}\n"
        )
        source = load_kind_source(tmp_path, "a")
        assert isinstance(source, PlainSource)
        return source

    old, new = Signer(1).public, Signer(2).public
    found = policy(f'["{old}", {{key: "{new}", accept_from: "2026-07-01"}}]')
    assert found.public_keys == (old, new)
    assert found.key_rules[new].accept_from == datetime(2026, 7, 1, tzinfo=NOW.tzinfo)
    with pytest.raises(PolicyError):
        policy(f'[{{key: "{new}", accept_form: "2026-07-01"}}]')
    with pytest.raises(BadInputError, match="twice"):
        policy(f'["{old}", {{key: "{old}", accept_until: "2026-07-01"}}]')


# -- TUF: a root is followed by the next ---------------------------------------------------------------------------------


@pytest.fixture
def tuf(tmp_path: Path) -> TufVendor:
    """Root 1 ends 20 days after NOW."""
    vendor = TufVendor(tmp_path / "tuf", expires={"root": END})
    return vendor.publish()


def next_root(vendor: TufVendor, version: int, *, signed_by_old: bool = True) -> TufVendor:
    """Every role has a new key from this root on."""
    old = vendor.signers["root"]
    vendor.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
    vendor.expires.pop("root", None)
    vendor.write_root(version, also_signed_by=(old,) if signed_by_old else ())
    return vendor.publish()


def tuf_refused(vendor: TufVendor, *, at: datetime = NOW, state: Path | None = None) -> RefusalReason:
    with pytest.raises(Refusal) as found:
        vendor.prove(at=at, state=state)
    return found.value.reason


def test_a_roots_alarm_ends_with_the_next_root(tuf: TufVendor) -> None:
    assert "20 days from now" in tuf.prove().alarms[0]
    assert next_root(tuf, 2).prove().alarms == ()


def test_the_chain_of_roots_is_walked_also_when_the_pinned_one_has_expired(tuf: TufVendor, tmp_path: Path) -> None:
    next_root(tuf, 2)
    next_root(tuf, 3)
    found = tuf.prove(at=AFTER, state=tmp_path / "state")
    assert found.chain()["versions"]["root"] == 3
    (tuf.metadata / "2.root.json").unlink()  # a link of the chain that is gone: what was seen carries on, a newcomer stops
    assert tuf.prove(at=AFTER, state=tmp_path / "state").files
    assert tuf_refused(tuf, at=AFTER) is R.EXPIRED


def test_who_knew_the_old_root_is_not_led_back_to_it(tuf: TufVendor, tmp_path: Path) -> None:
    """The old keys were taken away from whoever holds them: what they sign afterwards is worth nothing."""
    state, before = tmp_path / "state", copy.copy(tuf)
    next_root(tuf, 2).prove(state=state)
    before.version = 4
    before.publish()  # newer than all that was seen, by the keys of root 1
    assert tuf_refused(tuf) is R.KEY_UNTRUSTED
    (tuf.metadata / "2.root.json").unlink()  # and the newer root withheld
    assert tuf_refused(tuf, state=state) is R.KEY_UNTRUSTED


def test_a_root_that_only_its_own_or_only_the_old_key_signed_is_refused(tuf: TufVendor) -> None:
    thief = replace(tuf, signers=dict(tuf.signers))
    next_root(thief, 2, signed_by_old=False)
    assert tuf_refused(tuf) is R.KEY_UNTRUSTED
    heir = replace(tuf, signers=tuf.signers | {"root": CryptoSigner.generate_ed25519()})
    heir.write_root(2, also_signed_by=(tuf.signers["root"],))
    path, own = tuf.metadata / "2.root.json", heir.signers["root"].public_key.keyid
    document = json.loads(path.read_bytes())
    document["signatures"] = [one for one in document["signatures"] if one["keyid"] != own]
    path.write_text(json.dumps(document))
    assert tuf_refused(tuf) is R.SIGNATURE_INVALID, "by one of the two that must sign it"


def test_a_pinned_root_with_two_readings_is_bad_input(tuf: TufVendor) -> None:
    text = tuf.pinned.read_text()
    tuf.pinned.write_text(text.replace('"signed":{', '"signed":{"version":9,', 1))
    with pytest.raises(BadInputError, match="stands twice"):
        tuf.prove()
