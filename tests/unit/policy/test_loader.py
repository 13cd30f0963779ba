"""A policy is refused with the line of every mistake, before anything acts on it."""

from __future__ import annotations

from pathlib import Path

import pytest

from suture.policy import PolicyError, load, load_text
from suture.policy.loader import MAX_POLICY_BYTES, SCHEMAS
from suture.settings import PROJECT_ROOT

POLICIES = PROJECT_ROOT / "include" / "policy"
GOOD = """\
gates:
  - name: release
    seats:
      - {name: first, approvers: [vera]}
      - {name: second, approvers: [amir]}
    timeout_minutes: 60
    valid_hours: 24
"""


def _mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(PolicyError) as caught:
        load_text(text, "approvers", name="approvers.yaml")
    return caught.value.mistakes


def test_a_good_policy_loads() -> None:
    assert load_text(GOOD, "approvers")["gates"][0]["seats"][1]["approvers"] == ["amir"]


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.yaml")), ids=lambda path: path.name)
def test_the_projects_own_policies_load(path: Path) -> None:
    schema = "decision_table" if path.stem in ("ssvc_deployer", "bod_26_04") else path.stem
    assert (SCHEMAS / f"{schema}.schema.json").is_file(), f"{path.name} has no schema"
    assert load(path, schema)


def test_an_unknown_key_is_refused_with_its_line_and_the_known_ones() -> None:
    (sentence,) = _mistakes(GOOD + "    timeuot: 5\n")
    assert sentence.startswith("approvers.yaml:8:")
    assert "'timeuot'" in sentence
    assert "timeout_minutes" in sentence


def test_every_mistake_is_named_at_once_each_with_its_line() -> None:
    text = GOOD.replace("timeout_minutes: 60", "timeout_minutes: soon").replace("valid_hours: 24", "valid_hours: 0")
    lines = {sentence.split(":")[1] for sentence in _mistakes(text)}
    assert lines == {"6", "7"}


def test_a_key_that_stands_twice_is_refused_where_yaml_would_keep_the_last() -> None:
    (sentence,) = _mistakes(GOOD + "    valid_hours: 9999\n")
    assert sentence.startswith("approvers.yaml:8:")
    assert "second time" in sentence


def test_a_missing_key_is_named_at_its_mapping() -> None:
    (sentence,) = _mistakes(GOOD.replace("    valid_hours: 24\n", ""))
    assert sentence.startswith("approvers.yaml:2:")
    assert "valid_hours" in sentence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a list\n",
        "just text\n",
        "gates: [\n",
        "gates: !!python/object/apply:os.system ['true']\n",
        "gates: &a [*a]\n",
        "? {a: b}\n: c\n",
        "1: 2\n",
        "gates: \x07\n",
        "gates:\n\t- x\n",
        "--- {}\n--- {}\n",
    ],
)
def test_what_is_no_policy_is_refused_in_words(text: str) -> None:
    assert all(sentence.startswith("approvers.yaml") for sentence in _mistakes(text))


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert _mistakes("\n".join(lines))


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
def test_a_number_that_json_does_not_know_is_refused(value: str) -> None:
    assert _mistakes(GOOD.replace("valid_hours: 24", f"valid_hours: {value}"))


def test_a_file_that_cannot_be_read_or_is_too_large_is_named(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"approvers\.yaml: cannot be read"):
        load(tmp_path / "approvers.yaml", "approvers")
    large = tmp_path / "large.yaml"
    large.write_text("#" * (MAX_POLICY_BYTES + 1))
    with pytest.raises(PolicyError, match="bytes"):
        load(large, "approvers")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PolicyError, match="cannot be read"):
        load(binary, "approvers")


def test_a_date_stays_text() -> None:
    """YAML 1.1 would make a date object of it, which no JSON Schema can check."""
    text = GOOD.replace("[vera]", "[2026-11-24]")
    assert load_text(text, "approvers")["gates"][0]["seats"][0]["approvers"] == ["2026-11-24"]
