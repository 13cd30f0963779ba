"""Decision tables: every row against facts given here, totality, the closed set of facts, and the monotone report."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suture.model import Criticality, Exposure, Priority
from suture.policy import PolicyError
from suture.risk.cvss_scoring import REQUIREMENTS
from suture.risk.decision import AssetProfile, decide_cve
from suture.risk.facts import CveFacts
from suture.risk.policies import RiskPolicy
from suture.risk.tables import BINDINGS, EVERY, DecisionTable, falls, load_table
from suture.settings import PROJECT_ROOT

POLICY_DIR = PROJECT_ROOT / "include" / "policy"
SSVC = load_table(POLICY_DIR / "ssvc_deployer.yaml")
BOD = load_table(POLICY_DIR / "bod_26_04.yaml")

# CERT/CC's deployer_patch_application_priority 1.0.0, cell by cell against its published shape: one string a line of
# exposure x automatable, the letters for human impact low, medium, high, very high.
DEPLOYER = {
    "none": ["ddss dsss", "dsss ssss", "dsss ssso"],
    "poc": ["dsss ssss", "dsss ssso", "ssso ssoo"],
    "active": ["ssoo sooo", "ssoo oooo", "sooi ooii"],
}
LETTERS = {"d": "defer", "s": "scheduled", "o": "out_of_cycle", "i": "immediate"}
DEPLOYER_ROWS = [
    (exploitation, exposure, automatable, impact, LETTERS[letter])
    for exploitation, lines in DEPLOYER.items()
    for exposure, line in zip(("small", "controlled", "open"), lines, strict=True)
    for (automatable, impact), letter in zip(
        itertools.product(("no", "yes"), ("low", "medium", "high", "very_high")), line.replace(" ", ""), strict=True
    )
]
# CISA BOD 26-04 remediation timelines 1.0.0 (cisa_bod_26_04_1_0_0.csv of CERTCC/SSVC), in that file's order:
# in KEV, publicly exposed, automatable, technical impact; days (None: on system upgrade), forensic investigation.
BOD_ROWS = [
    ("no", "no", "no", "partial", None, False),
    ("yes", "no", "no", "partial", 14, False),
    ("no", "yes", "no", "partial", 60, False),
    ("no", "no", "yes", "partial", 60, False),
    ("no", "no", "no", "total", None, False),
    ("yes", "yes", "no", "partial", 14, False),
    ("yes", "no", "yes", "partial", 14, False),
    ("no", "yes", "yes", "partial", 14, False),
    ("yes", "no", "no", "total", 14, False),
    ("no", "yes", "no", "total", 14, False),
    ("no", "no", "yes", "total", 60, False),
    ("yes", "yes", "yes", "partial", 3, False),
    ("yes", "yes", "no", "total", 3, True),
    ("yes", "no", "yes", "total", 3, True),
    ("no", "yes", "yes", "total", 3, False),
    ("yes", "yes", "yes", "total", 3, True),
]
BOD_PRIORITY = {3: Priority.IMMEDIATE, 14: Priority.OUT_OF_CYCLE, 60: Priority.SCHEDULED, None: Priority.DEFER}
IMPACT = {"low": "low", "medium": "medium", "high": "high", "very_high": "critical"}


def policy_with(tmp_path: Path, *changes: tuple[str, str]) -> RiskPolicy:
    """The project's policy with lines of sla.yaml changed, and no raise rules, so that a table speaks alone."""
    for path in POLICY_DIR.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    sla = (tmp_path / "sla.yaml").read_text("utf-8")
    for old, new in changes:
        assert old in sla
        sla = sla.replace(old, new, 1)
    head, _, rest = sla.partition("raise_to:")
    tail = rest[rest.index("time_zone:") :]
    (tmp_path / "sla.yaml").write_text(f"{head}raise_to: []\n{tail}", "utf-8")
    return RiskPolicy.load(tmp_path)


def asset(criticality: str, exposure: str) -> AssetProfile:
    level = Criticality(criticality)
    return AssetProfile("web", level, Exposure(exposure), REQUIREMENTS[level])


def test_all_72_rows_of_the_deployer_table_from_facts(tmp_path: Path) -> None:
    policy = policy_with(tmp_path)
    assert len(DEPLOYER_ROWS) == len(SSVC.rows) == 72
    for exploitation, exposure, automatable, impact, outcome in DEPLOYER_ROWS:
        facts = CveFacts("CVE-2026-1", exploitation=exploitation, automatable=automatable, ssvc_source="adp:CISA-ADP")
        decided = decide_cve(facts, asset(IMPACT[impact], exposure), policy)
        assert (decided.priority.value, decided.answers[0].outcome) == (outcome, outcome), (
            exploitation,
            exposure,
            impact,
        )
        assert decided.answers[0].table == "SSVC Deployer 1.0.0"


def test_all_16_rows_of_bod_26_04_from_facts(tmp_path: Path) -> None:
    policy = policy_with(tmp_path, ("default: ssvc_deployer", "default: bod_26_04"))
    assert len(BOD_ROWS) == len(BOD.rows) == 16
    for in_kev, exposed, automatable, impact, days, forensic in BOD_ROWS:
        facts = CveFacts(
            "CVE-2026-1",
            exploitation="none",
            automatable=automatable,
            technical_impact=impact,
            kev_added=date(2026, 9, 1) if in_kev == "yes" else None,
        )
        decided = decide_cve(facts, asset("medium", "open" if exposed == "yes" else "controlled"), policy)
        answer = decided.answers[0]
        assert decided.priority is BOD_PRIORITY[days]
        assert answer.within == (timedelta(days=days) if days else policy.deadlines[Priority.DEFER])
        assert decided.required_tasks == (("forensic_triage",) if forensic else ())


def test_a_group_may_have_its_own_table_and_the_others_are_kept_as_information(tmp_path: Path) -> None:
    policy = policy_with(
        tmp_path, ("by_asset_group: {}", "by_asset_group: {web: bod_26_04}"), ("[bod_26_04]", "[ssvc_deployer]")
    )
    facts = CveFacts("CVE-2026-1", automatable="yes", technical_impact="total", kev_added=date(2026, 9, 1))
    web = decide_cve(facts, asset("low", "small"), policy)
    assert [(each.table, each.outcome, each.selected) for each in web.answers] == [
        ("CISA BOD 26-04 1.0.0", "3_days_and_forensic_triage", True),
        ("SSVC Deployer 1.0.0", "scheduled", False),
    ]
    assert web.priority is Priority.IMMEDIATE
    level = Criticality.LOW
    other = decide_cve(facts, AssetProfile("obs", level, Exposure.SMALL, REQUIREMENTS[level]), policy)
    assert (other.priority, len(other.answers), other.required_tasks) == (Priority.SCHEDULED, 1, ())


@pytest.mark.parametrize("table", [SSVC, BOD], ids=lambda table: table.key)
def test_the_shipped_tables_never_fall(table: DecisionTable) -> None:
    assert falls(table) == []


@given(st.data())
def test_one_fact_more_urgent_never_waits_longer(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from([SSVC, BOD]))
    words = {p.binding: data.draw(st.sampled_from(BINDINGS[p.binding])) for p in table.points}
    binding = data.draw(st.sampled_from(sorted(words)))
    domain = BINDINGS[binding]
    more = domain[data.draw(st.integers(domain.index(words[binding]), len(domain) - 1))]
    before, after = table.decide(words), table.decide({**words, binding: more})
    assert after.priority.rank <= before.priority.rank
    assert (after.within or timedelta.max) <= (before.within or timedelta.max)


OWN = """name: Ours 1
source: us
points:
  - {name: known, from: exploitation, values: ["no", "yes"], map: {none: "no", poc: "no", active: "yes"}}
  - {name: likely, from: epss, values: [low, high], bands: {low: 0, high: 0.1}, unknown: high}
  - {name: bad, from: cvss, values: [small, big], bands: {small: 0, big: 7.0}, unknown: big}
outcomes:
  now: {priority: immediate, within_days: 1, required_tasks: [forensic_triage]}
  later: {priority: scheduled}
rows:
  - ["yes", "*", "*", now]
  - ["no", high, big, now]
  - ["no", high, small, later]
  - ["no", low, "*", later]
"""


def own(tmp_path: Path, text: str = OWN) -> DecisionTable:
    (tmp_path / "ours.yaml").write_text(text, "utf-8")
    return load_table(tmp_path / "ours.yaml")


@pytest.mark.parametrize(
    ("exploitation", "epss", "cvss", "outcome"),
    [
        ("active", 0.0, 0.0, "now"),
        ("poc", 0.0999, 10.0, "later"),
        ("poc", 0.1, 7.0, "now"),
        ("none", 0.1, 6.9, "later"),
        ("none", None, None, "now"),  # unknown is what the table says, never zero
    ],
)
def test_an_own_table(tmp_path: Path, exploitation: str, epss: float | None, cvss: float | None, outcome: str) -> None:
    table = own(tmp_path)
    assert (len(table.rows), falls(table)) == (8, [])
    assert table.decide({"exploitation": exploitation, "epss": epss, "cvss": cvss}).name == outcome


def test_an_own_table_decides_a_group(tmp_path: Path) -> None:
    (tmp_path / "ours.yaml").write_text(OWN, "utf-8")
    policy = policy_with(tmp_path, ("by_asset_group: {}", "by_asset_group: {web: ours}"))
    decided = decide_cve(CveFacts("CVE-1", exploitation="poc", epss=0.5), asset("low", "small"), policy)
    assert (decided.priority, decided.answers[0].outcome) == (Priority.IMMEDIATE, "now")
    assert decided.why.startswith("has known no, likely high, bad big: now by Ours 1")


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ('  - ["no", low, "*", later]\n', "", "ours.yaml:11: no row decides no, low, small."),
        ('["no", low, "*", later]', '["no", "*", "*", later]',
         "ours.yaml:14: decides no, high, big for the second time; ours.yaml:12"),
        ('["no", high, small, later]', '["no", hihg, small, later]', "ours.yaml:13: the table knows no likely 'hihg'"),
        ('["no", high, small, later]', '["no", high, small, never]', "ours.yaml:13: the table knows no outcome 'never'"),
        ('["no", high, small, later]', '["no", high, later]', "ours.yaml:13: 2 values for 3 decision points"),
        ('poc: "no", active', "active", "ours.yaml:4: exploitation has the words none, poc, active; map must name each"),
        ('active: "yes"', 'active: "no"', "ours.yaml:4: yes: each value of 'known' must come from a fact"),
        (", unknown: high", "", "ours.yaml:5: epss is a number; it needs bands and unknown"),
        ("bands: {low: 0, high: 0.1}", "bands: {low: 0.01, high: 0.1}", "ours.yaml:5: the lowest band of epss begins at 0"),
        ("name: bad, from: cvss", "name: likely, from: cvss", "ours.yaml:6: a second point is named 'likely'"),
        ("  later: {priority: scheduled}", "  later: {priority: scheduled}\n  no_one: {priority: defer}",
         "ours.yaml:10: no row gives the outcome 'no_one'"),
        ("from: epss", "from: __class__", "ours.yaml:5:"),
        ("within_days: 1", "within_days: 0", "ours.yaml:8:"),
        ("forensic_triage", "rm -rf", "ours.yaml:8:"),
        ("name: Ours 1", "name: Ours 1\nextra: 1", "ours.yaml:2: the document has no key 'extra'"),
    ],
)  # fmt: skip
def test_a_bad_table_is_refused_with_the_row_and_its_line(tmp_path: Path, old: str, new: str, mistake: str) -> None:
    assert old in OWN
    with pytest.raises(PolicyError) as caught:
        own(tmp_path, OWN.replace(old, new, 1))
    assert any(mistake in found for found in caught.value.mistakes), caught.value.mistakes


def test_where_more_urgent_waits_longer_it_is_reported(tmp_path: Path) -> None:
    table = own(tmp_path, OWN.replace('["no", low, "*", later]', '["no", low, "*", now]'))
    assert falls(table) == [
        "ours: no, low, small gives now, but likely high there gives later.",
    ]


@given(st.lists(st.sampled_from(sorted(SSVC.rows)), min_size=1, max_size=3, unique=True))
def test_whatever_rows_are_missing_the_error_names_each(rows: list[tuple[str, ...]]) -> None:
    import tempfile

    kept = [[*row, outcome] for row, outcome in SSVC.rows.items() if row not in rows]
    head = (POLICY_DIR / "ssvc_deployer.yaml").read_text("utf-8").partition("rows:")[0]
    lines = "".join(f"  - [{', '.join(repr(word) for word in row)}]\n" for row in kept)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "t.yaml").write_text(f"{head}rows:\n{lines}", "utf-8")
        with pytest.raises(PolicyError) as caught:
            load_table(Path(folder) / "t.yaml")
    assert [f"no row decides {', '.join(row)}." in "\n".join(caught.value.mistakes) for row in rows] == [True] * len(
        rows
    )
    assert len(caught.value.mistakes) == len(rows)


def test_a_star_is_no_value_of_its_own() -> None:
    assert all(EVERY not in row for row in (*SSVC.rows, *BOD.rows))


def test_every_input_has_a_source_and_a_date(tmp_path: Path) -> None:
    policy = policy_with(tmp_path)
    dated = datetime(2026, 9, 1, tzinfo=UTC)
    for facts in (
        CveFacts("CVE-1", record_status="found", record_as_of=dated, kev_as_of=dated),
        CveFacts("CVE-1", exploitation="poc", ssvc_source="adp:CISA-ADP", record_as_of=dated, kev_as_of=dated),
        CveFacts("CVE-1", kev_added=date(2026, 9, 1), epss=0.1, epss_date=date(2026, 9, 1), record_as_of=dated),
    ):
        inputs = decide_cve(facts, asset("high", "open"), policy).inputs
        assert len(inputs) >= 6
        assert [found for found in inputs if not found.source or not found.as_of] == []
    by_name = {found.name: found for found in inputs}
    assert by_name["exposure"].source == "assets.yaml, asset group web"
    assert by_name["exposure"].as_of == policy.digest("assets.yaml")
    assert by_name["human impact"].as_of == policy.digest("sla.yaml")
