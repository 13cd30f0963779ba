"""Make the lab's dated feed snapshot from tables of facts. Run by hand when the facts change; the result is committed.

    python lab/feeds/make_snapshot.py FACTS.tsv ABSENT.tsv

What comes out is in the feeds' real formats and holds real facts, read on the date in SNAPSHOT_DATE: of each CVE that
the changelogs of the practice base's pending updates mention, what its CVE record said. What was not found stays
absent: the server then answers 404, as the real service would. What was not read is left out.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

SNAPSHOT_DATE = "2026-11-23"
FOLDER = Path(__file__).resolve().parent
SOURCE = {
    "snapshot": SNAPSHOT_DATE,
    "what": "excerpt of the CVE record in its own format: identity, dates, title, CWE, CVSS, SSVC",
    "source": "CVE List V5, records as published by their CNAs and by CISA's ADP container",
    "terms": "CVE Terms of Use",
}
# OpenSSL's CNA gives a severity in words and no score (its security policy of 2026).
OPENSSL_WORDS = {"CVE-2026-84782": "High", "CVE-2026-63076": "Moderate", "CVE-2026-63072": "Moderate"}
KEV = {
    "title": "Excerpt of CISA's Catalog of Known Exploited Vulnerabilities, for the lab's packages",
    "catalogVersion": "2025.08.25",
    "dateReleased": "2025-08-25T17:04:19.9796Z",
    "count": 1,
    "vulnerabilities": [
        {
            "cveID": "CVE-2023-44487",
            "vendorProject": "IETF",
            "product": "HTTP/2",
            "vulnerabilityName": "HTTP/2 Rapid Reset Attack Vulnerability",
            "dateAdded": "2023-10-10",
            "shortDescription": "HTTP/2 request cancellation can be abused for distributed denial of service.",
            "requiredAction": "Apply mitigations per vendor instructions.",
            "dueDate": "2023-10-31",
            "knownRansomwareCampaignUse": "Unknown",
            "notes": f"Excerpt made on {SNAPSHOT_DATE} from catalogue 2025.08.25 (1,404 entries, CC0-1.0); of the CVEs "
            "that the lab's pending updates mention, this is the one in it.",
            "cwes": ["CWE-400"],
        }
    ],
}
EPSS = f"#model_version:v2025.03.14,score_date:{SNAPSHOT_DATE}T00:00:00+0000\ncve,epss,percentile\n"
NVD = {
    "resultsPerPage": 0, "startIndex": 0, "totalResults": 0, "format": "NVD_CVE", "version": "2.0",
    "timestamp": f"{SNAPSHOT_DATE}T00:00:00.000", "vulnerabilities": [],
}  # fmt: skip


def main(facts: Path, absent: Path) -> None:
    """Write kev.json, epss.csv, nvd.json, cve5/<id>.json and README.md."""
    records = FOLDER / "cve5"
    records.mkdir(exist_ok=True)
    for old in records.glob("*.json"):
        old.unlink()
    with facts.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        _write(records / f"{row['cve']}.json", _record(row))
    _write(FOLDER / "kev.json", KEV)
    _write(FOLDER / "nvd.json", NVD)
    (FOLDER / "epss.csv").write_text(EPSS, "utf-8")
    with absent.open(encoding="utf-8", newline="") as file:
        gaps = list(csv.DictReader(file, delimiter="\t"))
    (FOLDER / "README.md").write_text(
        _readme(len(rows), [f"{g['cve']} ({g['source_packages']})" for g in gaps]), "utf-8"
    )


def _record(row: dict[str, str]) -> dict[str, Any]:
    """One CVE record 5.x from a row of facts."""
    mine, adp_cwes = _cwes(row["cwe_ids"])
    cna: dict[str, Any] = {
        "providerMetadata": {"shortName": row["assigner_short_name"], "dateUpdated": row["dateUpdated"]},
        "title": row["title"],
    }
    if mine:
        cna["problemTypes"] = [_problem(cwe) for cwe in mine]
    metrics = [
        {key: _cvss(version, row[f"{column}_vector_cna"], row[f"{column}_score_cna"])}
        for key, version, column in (("cvssV3_1", "3.1", "cvss31"), ("cvssV4_0", "4.0", "cvss40"))
        if row[f"{column}_vector_cna"]
    ]
    if row["assigner_short_name"] == "openssl":
        metrics.append({"other": {"type": "severity", "content": {"text": OPENSSL_WORDS.get(row["cve"], "Low")}}})
    if metrics:
        cna["metrics"] = metrics
    record: dict[str, Any] = {
        "dataType": "CVE_RECORD",
        "dataVersion": "5.1",
        "cveMetadata": {
            "cveId": row["cve"],
            "state": row["state"],
            "assignerShortName": row["assigner_short_name"],
            "datePublished": row["datePublished"],
            "dateUpdated": row["dateUpdated"],
        },
        "containers": {"cna": cna, "adp": _adp(row, adp_cwes)},
        "x_snapshot": {**SOURCE, "upstream_fixed_versions": row["upstream_fixed_versions"]},
    }
    return record


def _adp(row: dict[str, str], cwes: list[str]) -> list[dict[str, Any]]:
    containers: dict[str, dict[str, Any]] = {}

    def container(name: str) -> dict[str, Any]:
        return containers.setdefault(name, {"providerMetadata": {"shortName": name}, "metrics": []})

    options = [
        {name: row[column]}
        for name, column in (
            ("Exploitation", "ssvc_exploitation"),
            ("Automatable", "ssvc_automatable"),
            ("Technical Impact", "ssvc_technicalImpact"),
        )
        if row[column]
    ]
    if options:
        content = {"id": row["cve"], "role": "CISA Coordinator", "options": options, "version": "2.0.3"}
        container("CISA-ADP")["metrics"].append({"other": {"type": "ssvc", "content": content}})
    if row["adp_cvss31_vector"]:
        vector, score, who = (part.strip() for part in row["adp_cvss31_vector"].split("|"))
        container(who)["metrics"].append({"cvssV3_1": _cvss("3.1", vector, score)})
    if cwes:
        container("CISA-ADP")["problemTypes"] = [_problem(cwe) for cwe in cwes]
    return list(containers.values())


def _cvss(version: str, vector: str, score: str) -> dict[str, Any]:
    return {"version": version, "vectorString": vector, "baseScore": float(score)}


def _cwes(text: str) -> tuple[list[str], list[str]]:
    """(the CNA's, CISA's): the latter are marked (CISA-ADP)."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    found = [(re.sub(r"\(.*\)", "", name), "(" in name) for name in names]
    return [name for name, marked in found if not marked], [name for name, marked in found if marked]


def _problem(cwe: str) -> dict[str, Any]:
    return {"descriptions": [{"type": "CWE", "lang": "en", "cweId": cwe, "description": cwe}]}


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _readme(count: int, gaps: list[str]) -> str:
    return f"""# A dated feed snapshot ({SNAPSHOT_DATE})

Made by `make_snapshot.py`, in the feeds' own formats, for the CVEs that the changelogs of the practice base's pending
security updates mention. The lab serves this folder at `/feeds/`; whatever is decided from it says "dated snapshot".

| file | what it holds | what it does not |
|---|---|---|
| `cve5/<id>.json` | {count} CVE records (identity, dates, CWE, CVSS, SSVC) | {len(gaps)} CVEs without a record: 404 |
| `kev.json` | the one CVE of these that CISA's catalogue 2025.08.25 holds | the other 1,403 entries |
| `epss.csv` | the two header lines | any score: none was known for these CVEs |
| `nvd.json` | an empty result page | any record: NVD was not asked |

Real gaps stand: OpenSSL's CNA gives a severity in words and no score; five records have no CVSS at all; CVE-2025-69534
is about another product than the one whose changelog mentions it; CVE-2023-44487 is in KEV although its record says
nothing of it.
When SSVC values and ADP scores were set is not known here, so they carry no date.

No record on {SNAPSHOT_DATE}: {", ".join(gaps)}.

Sources: CVE records (CVE Terms of Use), CISA KEV (CC0-1.0).
"""


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
