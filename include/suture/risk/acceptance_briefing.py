"""What a signer must know about a request, as Markdown for Airflow's Required Actions page.

Text from the form, from feeds and from hosts is escaped: it is shown, never interpreted.
"""

from __future__ import annotations

from suture.campaign.briefing import escaped
from suture.risk.acceptance_signing import fetch_acceptance, votes_of
from suture.store import Store
from suture.wording import counted

_SHOWN = 12


def acceptance_briefing(store: Store, acceptance_id: str) -> str:
    """Who asks for what, until when, on what grounds, and which terms a signature binds to."""
    row = fetch_acceptance(store, acceptance_id)
    covered = store.fetch_all("acceptance/list_covered_findings", {"acceptance_id": acceptance_id, "max_rows": None})
    advisories = sorted({found["advisory_id"] for found in covered})
    hosts = sorted({found["host_id"] for found in covered})
    cves = sorted({cve for found in covered for cve in found["cve_ids"]})
    signed = [f"{vote['voter']} ({vote['role'].replace('_', ' ')})" for vote in votes_of(store, acceptance_id)]
    lines = [
        f"**{escaped(row['requested_by'])}** asks to leave **{counted(len(covered), 'finding')}** on "
        f"**{counted(len(hosts), 'host')}** unpatched "
        f"until **{row['expires_at']:%Y-%m-%d %H:%M} UTC**, review on {row['review_on']}.",
        "",
        f"Most urgent priority **{row['priority'].replace('_', ' ')}**, residual risk **{row['residual_risk']}**. "
        f"Signatures needed ({escaped(row['quorum_rule'])}): {', '.join(map(escaped, row['seats']))}. "
        f"Signed so far: {', '.join(map(escaped, signed)) or 'nobody'}.",
        "",
        f"**Justification** {escaped(row['justification'])}",
        "",
        f"**Compensating control** {escaped(row['compensating_control'])}",
        "",
        f"**Advisories** {_some(advisories)}",
        "",
        f"**CVEs** {_some(cves)}",
        "",
        f"**Hosts** {_some(hosts)}",
        "",
        "A new KEV entry, active exploitation, a risen priority or a finding more in this scope voids it.",
        "",
        f"A signature is for exactly these terms: `{row['terms_hash'][:16]}`.",
    ]
    return "\n".join(lines)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(map(escaped, names[:_SHOWN])) or "none") + more
