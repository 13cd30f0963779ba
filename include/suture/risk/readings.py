"""What a decision is read from: each fact as the tables take it, and as an input with its source and date.

The rules:

1. A KEV entry means exploitation: active, whatever else is said. EPSS is a probability and never evidence of exploitation.
2. What no source answers is taken as sla.yaml's `unknown` says, and said to be taken so. A score or a probability that
   nobody gives stays unknown (None); it is never zero.
3. Each input names who says it and as of when: the date that the source gives, else the date of the record that carries it,
   else None. What a policy says is dated by its content: `sha256:` and the first digits of the policy's digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from suture.model import Criticality, Exposure
from suture.risk.cvss_scoring import BadVectorError, Requirements, assess, without_environment
from suture.risk.facts import CveFacts
from suture.risk.inputs import Input, iso
from suture.risk.tables import Fact

if TYPE_CHECKING:
    from suture.risk.policies import RiskPolicy


@dataclass(frozen=True)
class AssetProfile:
    """What of an asset bears on a decision: hosts with the same profile share it.

    given_on: the date (ISO 8601) on which a person stated it, instead of the asset register; None: the register says it.
    """

    asset_group: str
    criticality: Criticality
    exposure: Exposure
    requirements: Requirements
    given_on: str | None = None

    @cached_property
    def needs(self) -> str:
        """The requirements in words."""
        return ", ".join(f"{name} {level}" for name, level in sorted(self.requirements.items())) or "none"


@dataclass(frozen=True)
class Readings:
    """facts: by the tables' bindings; assumed: the bindings that no source answered; score: overall, None: unscored."""

    facts: Mapping[str, Fact]
    assumed: frozenset[str]
    inputs: tuple[Input, ...]
    score: float | None


def read(facts: CveFacts, asset: AssetProfile, policy: RiskPolicy) -> Readings:
    """Everything that a table can ask about one CVE on assets of one profile."""
    score, score_inputs = _score(facts, asset)
    assumed = set()
    words: dict[str, Fact] = {"in_kev": "no" if facts.kev_added is None else "yes", "cvss": score, "epss": facts.epss}
    inputs = []
    ssvc_source, ssvc_date = facts.ssvc_source or "not named", iso(facts.ssvc_dated_at or facts.record_as_of)
    for name, known, otherwise in (
        ("exploitation", "active" if facts.kev_added else facts.exploitation, policy.unknown_exploitation),
        ("automatable", facts.automatable, policy.unknown_automatable),
        ("technical_impact", facts.technical_impact, policy.unknown_technical_impact),
    ):
        words[name] = known or otherwise
        label = name.replace("_", " ")
        if known is None:
            assumed.add(name)
            inputs.append(Input(label, f"unknown, taken as {otherwise}", "policy sla.yaml", policy.digest("sla.yaml")))
        elif name == "exploitation" and facts.kev_added is not None:
            inputs.append(Input(label, known, facts.kev_source, facts.kev_added.isoformat()))
        else:
            inputs.append(Input(label, known, ssvc_source, ssvc_date))
    words |= {
        "exposure": asset.exposure.value,
        "publicly_exposed": "yes" if asset.exposure in policy.publicly_exposed else "no",
        "criticality": asset.criticality.value,
        "human_impact": policy.human_impact[asset.criticality],
    }
    every = (*inputs, *asset_inputs(asset, policy), *score_inputs, *facts.other_inputs)
    return Readings(words, frozenset(assumed), every, score)


def asset_inputs(asset: AssetProfile, policy: RiskPolicy) -> tuple[Input, ...]:
    """What the asset register and sla.yaml say of the assets."""
    register, register_as_of = f"assets.yaml, asset group {asset.asset_group}", policy.digest("assets.yaml")
    if asset.given_on is not None:
        register, register_as_of = "given", asset.given_on
    public = asset.exposure in policy.publicly_exposed
    impact = policy.human_impact[asset.criticality]
    return _asset_inputs(
        asset.exposure, asset.criticality, register, register_as_of, public, impact, policy.digest("sla.yaml")
    )


@lru_cache(maxsize=1024)  # kinds of assets
def _asset_inputs(
    exposure: Exposure,
    criticality: Criticality,
    register: str,
    register_as_of: str | None,
    public: bool,
    impact: str,
    sla_as_of: str | None,
) -> tuple[Input, ...]:
    return (
        Input("exposure", exposure.value, register, register_as_of),
        Input("criticality", criticality.value, register, register_as_of),
        Input("publicly exposed", "yes" if public else "no", "policy sla.yaml, from exposure", sla_as_of),
        Input("human impact", impact, "policy sla.yaml, from criticality", sla_as_of),
    )


def _score(facts: CveFacts, asset: AssetProfile) -> tuple[float | None, tuple[Input, ...]]:
    chosen = facts.chosen_score
    if chosen is None:
        return None, ()
    claim = chosen.claim
    as_of = iso(claim.dated_at or facts.record_as_of)
    notes = tuple(Input("contradiction", text, claim.source, as_of) for text in chosen.contradictions)
    if not claim.vector:
        bare = Input("cvss", f"{claim.base_score} ({claim.cvss_version}, without a vector)", claim.source, as_of)
        return claim.base_score, (bare, *notes)
    try:
        found = assess(without_environment(claim.vector), asset.requirements)
    except BadVectorError:  # choose_score has read it already: only a vector that its own environment broke gets here
        return None, notes
    return found.overall_score, (
        Input("cvss", f"{found.base_score:.1f} base, {claim.vector}", claim.source, as_of),
        Input(
            "cvss on this asset",
            f"{found.overall_score:.1f} {found.severity} with {asset.needs}",
            "computed from that vector and the asset's requirements",
            as_of,
        ),
        *notes,
    )
