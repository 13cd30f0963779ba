"""How fast and how small a bulk load of feeds is, against the plain way: json and pandas.to_sql.

    python benchmarks/feed_load.py                      # 30,000 records
    python benchmarks/feed_load.py --records 300000     # about 1.1 GB of JSON, as in the CVE list of 2025

The records are made up by a seeded generator, in the real format and of the real size (3.7 kB on average: CNA container with
descriptions, affected products and references, CISA's ADP container with SSVC for two of three), one file each in folders
of a thousand, as in the CVE list's repository. EPSS has a line for each of them, KEV an entry for one of two hundred.

Each step is a process of its own, all on one PostgreSQL of the benchmark's own with its default durability:
1. Suture: `load_side_by_side` of the three feeds into the migrated warehouse; 2. the same again, unchanged; 3. the baseline: json,
the same columns picked out, `pandas.DataFrame.to_sql`, into bare tables. The page cache is warm for all (a first pass reads
each file). Then all values are compared, and a digest of every row's place (ctid, xmin) before and after the rerun.

"cpu s" counts the step's processes, "server" the CPU seconds of the server's processes meanwhile; "peak MiB" what the step's
processes hold together, shared pages once.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "include")]
NOW = datetime(2026, 6, 2, tzinfo=UTC)
KEYS = {
    "cve": "cve_id", "cve_score": "cve_id, source, cvss_version, vector", "cve_ssvc": "cve_id", "epss": "cve_id",
    "kev": "cve_id", "cve_product": "cve_id, place",
}  # fmt: skip
# An index besides the keys: what finds the CVEs of a vendor's products.
BY_NAME = 'CREATE INDEX base_cve_product_by_vendor ON base_cve_product (lower(vendor COLLATE "C"))'
TABLES = tuple(KEYS)
# What both ways wrote, value by value. The baseline's CWEs are one text, its missing dates are times.
COMPARED = {
    "cve": "cve_id, state, title, {cwes}, published_at, modified_at, source, record_kev, record_kev_added::date, "
    "record_sha256",
    "cve_score": "cve_id, source, cvss_version, vector, base_score::numeric(3, 1), severity, dated_at",
    "cve_ssvc": "cve_id, exploitation, automatable, technical_impact, dated_at, source",
    "cve_product": "cve_id, place, source, vendor, product, collection_url, package_name, default_status, "
    "versions::jsonb",
    "epss": "cve_id, probability, percentile, score_date, model_version",
    "kev": "cve_id, date_added, due_date, known_ransomware, name, record_sha256",
}
# Suture has a vendor's products of a record in one row, the baseline each in one of its own.
OURS = {
    "cve_product": "(SELECT cve_id, place + number - 1 AS place, source, vendor, said ->> 'product' AS product, said ->> "
    "'collection_url' AS collection_url, said ->> 'package_name' AS package_name, said ->> 'default_status' AS default_status, "
    "said ->> 'versions' AS versions FROM suture.cve_product CROSS JOIN json_array_elements(products) WITH ORDINALITY AS entry "
    "(said, number)) AS entries",
}
WORDS = re.findall(
    r"\w+",
    "improper neutralization of input during page generation allows remote attackers to execute arbitrary code via crafted "
    "request parameter in the affected component versions before fix heap buffer overflow use after free kernel driver",
)
VECTORS = (
    "AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
    "AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H",
    "AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N",
)
SCORES = (9.8, 7.8, 6.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=20260601)
    parser.add_argument(
        "--runs", type=int, default=1, help="how often the whole is measured; the best of each step counts"
    )
    parser.add_argument("--folder", type=Path, help="where the data lies or is made (default: a temporary folder)")
    parser.add_argument("--step", choices=("suture", "baseline", "read"), help=argparse.SUPPRESS)
    parser.add_argument("--dsn", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        return step(args)
    home = Path(tempfile.mkdtemp(prefix="suture-feed-load-"))
    try:
        os.chmod(home, 0o755)  # noqa: S103 - the server's account must reach it
        return measure(args, args.folder or home / "data", home)
    finally:
        shutil.rmtree(home, ignore_errors=True)


# The data ----------------------------------------------------------------------------------------------------------------


def generate(folder: Path, records: int, seed: int) -> int:
    """Write the three feeds; bytes of JSON in all."""
    random_ = random.Random(seed)  # noqa: S311 - made-up records
    size = 0
    ids = [f"CVE-{2005 + index * 20 // records}-{1000 + index}" for index in range(records)]
    for index, cve_id in enumerate(ids):
        place = folder / "cves" / f"{index // 1000:04d}xxx"
        if index % 1000 == 0:
            place.mkdir(parents=True)
        raw = json.dumps(record(random_, cve_id, index), separators=(",", ":")).encode()
        size += len(raw)
        (place / f"{cve_id}.json").write_bytes(raw)
    lines = ["#model_version:v2025.03.14,score_date:2026-06-01T00:00:00+0000", "cve,epss,percentile"]
    lines += [f"{cve_id},{random_.random() ** 4:.5f},{random_.random():.5f}" for cve_id in ids]
    (folder / "epss.csv").write_text("\n".join(lines) + "\n", "utf-8")
    known = [
        {"cveID": cve_id, "vulnerabilityName": f"Vendor {cve_id}", "dateAdded": "2024-01-02", "dueDate": "2024-01-23",
         "knownRansomwareCampaignUse": random_.choice(["Known", "Unknown"])}
        for cve_id in ids[::200]
    ]  # fmt: skip
    catalogue = {"catalogVersion": "2026.06.01", "dateReleased": "2026-06-01T12:00:00Z", "count": len(known)}
    (folder / "kev.json").write_text(json.dumps({**catalogue, "vulnerabilities": known}), "utf-8")
    return size


def record(random_: random.Random, cve_id: str, index: int) -> dict[str, Any]:
    day = f"2{index % 9 + 1:01d}"
    dated = f"2025-0{index % 9 + 1}-{day}T{index % 24:02d}:15:{index % 60:02d}.{index % 1000:03d}Z"
    kind = index % 3
    org = f"vendor{index % 400}"
    metric = {
        "format": "CVSS",
        "cvssV3_1": {
            "version": "3.1", "vectorString": f"CVSS:3.1/{VECTORS[kind]}", "baseScore": SCORES[kind],
            "baseSeverity": "HIGH" if kind else "CRITICAL", "attackVector": "NETWORK", "attackComplexity": "LOW",
            "privilegesRequired": "NONE", "userInteraction": "NONE", "scope": "UNCHANGED", "confidentialityImpact": "HIGH",
            "integrityImpact": "HIGH", "availabilityImpact": "HIGH",
        },
    }  # fmt: skip
    cna = {
        "providerMetadata": {"orgId": f"{index:032x}", "shortName": org, "dateUpdated": dated},
        "title": " ".join(random_.choices(WORDS, k=9)),
        "descriptions": [{"lang": lang, "value": " ".join(random_.choices(WORDS, k=50))} for lang in ("en", "es")],
        "affected": [
            {"vendor": org, "product": f"product-{number}", "defaultStatus": "unaffected",
             "versions": [{"version": f"{number}.{low}.0", "lessThan": f"{number}.{low}.{random_.randrange(40)}",
                           "status": "affected", "versionType": "semver"} for low in range(2)]}
            for number in range(2 + index % 4)
        ],
        "problemTypes": [{"descriptions": [{"cweId": f"CWE-{79 + index % 40}", "lang": "en", "type": "CWE",
                                            "description": f"CWE-{79 + index % 40} a weakness"}]}],
        "references": [{"url": f"https://example.org/advisories/{cve_id}/{number}", "name": f"advisory {number}",
                        "tags": ["vendor-advisory"]} for number in range(5)],
        "source": {"discovery": "EXTERNAL"},
        "x_generator": {"engine": "Vulnogram 0.2.0"},
    }  # fmt: skip
    if kind:
        cna["metrics"] = [metric]
    adp = []
    if index % 3 != 2:
        ssvc = {
            "type": "ssvc",
            "content": {
                "id": cve_id, "role": "CISA Coordinator", "version": "2.0.3", "timestamp": dated,
                "options": [{"Exploitation": ("none", "poc", "active")[index % 3]}, {"Automatable": ("no", "yes")[index % 2]},
                            {"Technical Impact": ("partial", "total")[index % 2]}],
            },
        }  # fmt: skip
        adp = [
            {
                "title": "CISA ADP Vulnrichment",
                "providerMetadata": {"orgId": "134c704f-9b21-4f2e-91b3-4a467353bcc0", "shortName": "CISA-ADP", "dateUpdated": dated},
                "metrics": [{"other": ssvc}] + ([] if kind else [metric]),
            },
            {
                "title": "CVE Program Container",
                "providerMetadata": {"orgId": "af854a3a-2127-422b-91ae-364da2661108", "shortName": "CVE", "dateUpdated": dated},
                "references": [{"url": f"https://example.org/mirror/{cve_id}/{number}", "tags": ["x_transferred"]}
                               for number in range(3)],
            },
        ]  # fmt: skip
    return {
        "dataType": "CVE_RECORD",
        "dataVersion": "5.1",
        "cveMetadata": {
            "cveId": cve_id, "assignerOrgId": f"{index % 400:032x}", "state": "PUBLISHED", "assignerShortName": org,
            "dateReserved": "2025-01-01T00:00:00.000Z", "datePublished": dated, "dateUpdated": dated,
        },
        "containers": {"cna": cna, **({"adp": adp} if adp else {})},
    }  # fmt: skip


# The steps, each in a process of its own -----------------------------------------------------------------------------------


def step(args: argparse.Namespace) -> int:
    started = time.perf_counter()
    if args.step == "suture":
        print(json.dumps({"outcomes": suture(args.folder, args.dsn), **used(started)}))
    elif args.step == "baseline":
        baseline(args.folder, args.dsn)
        print(json.dumps(used(started)))
    else:
        for path in sorted(args.folder.rglob("*.json")):
            path.read_bytes()
        print(json.dumps(used(started)))
    return 0


def used(started: float) -> dict[str, float]:
    """Seconds; CPU seconds of this process and of those that it started; its own peak. `watched` adds the others'."""
    usage, others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime + others.ru_utime + others.ru_stime
    return {"seconds": time.perf_counter() - started, "cpu_seconds": cpu, "peak_mib": usage.ru_maxrss / 1024}


def suture(folder: Path, dsn: str) -> list[str]:
    from dataclasses import replace

    from suture.feeds import FeedsPolicy, FilesOf, load_side_by_side

    policy = FeedsPolicy.load(ROOT / "include" / "policy")
    copies = [
        FilesOf(replace(policy.source(name), min_records=0), (folder / path,))
        for name, path in (("cve5", "cves"), ("epss", "epss.csv"), ("kev", "kev.json"))
    ]
    outcomes = load_side_by_side(dsn, copies, now=NOW)
    if refused := [outcome.sentence for outcome in outcomes if not outcome.ok]:
        raise SystemExit("\n".join(refused))
    return [outcome.sentence for outcome in outcomes]


def baseline(folder: Path, dsn: str) -> None:
    """What one writes first: json, a list of dicts for each table, to_sql with its defaults; then the same keys.

    The rows are those that Suture writes, column by column (`compare` holds them against one another); nothing is checked.
    """
    import pandas as pd
    import sqlalchemy

    engine = sqlalchemy.create_engine(dsn.replace("postgresql://", "postgresql+psycopg://", 1))
    cves, scores, ssvc, products = [], [], [], []
    for path in sorted((folder / "cves").rglob("*.json")):
        raw = path.read_bytes()
        found = json.loads(raw)
        metadata, containers = found["cveMetadata"], found["containers"]
        everybody = [containers["cna"], *containers.get("adp", [])]
        cwes = {d.get("cweId") for c in everybody for p in c.get("problemTypes", []) for d in p["descriptions"]}
        marks: list[str | None] = []
        place = 0
        for container in everybody:
            who = container["providerMetadata"]
            source = ("cna:" if container is containers["cna"] else "adp:") + who["shortName"]
            for entry in container.get("affected", []):
                products.append({"cve_id": metadata["cveId"], "place": place, "source": source, "vendor": entry["vendor"],
                                 "product": entry["product"], "collection_url": entry.get("collectionURL"),
                                 "package_name": entry.get("packageName"), "default_status": entry.get("defaultStatus"),
                                 "versions": json.dumps(entry.get("versions", []))})  # fmt: skip
                place += 1
            for metric in container.get("metrics", []):
                other = metric.get("other", {})
                if "cvssV3_1" in metric:
                    cvss = metric["cvssV3_1"]
                    scores.append({"cve_id": metadata["cveId"], "source": source, "cvss_version": "3.1",
                                   "vector": cvss["vectorString"], "base_score": cvss["baseScore"],
                                   "severity": cvss["baseSeverity"], "dated_at": who["dateUpdated"], "snapshot_id": 1})  # fmt: skip
                elif other.get("type") == "ssvc":
                    content = other["content"]
                    options = {name: value for option in content["options"] for name, value in option.items()}
                    ssvc.append({"cve_id": metadata["cveId"], "exploitation": options["Exploitation"],
                                 "automatable": options["Automatable"], "technical_impact": options["Technical Impact"],
                                 "dated_at": content["timestamp"], "source": source, "snapshot_id": 1})  # fmt: skip
                elif other.get("type") == "kev":
                    marks.append(other["content"].get("dateAdded"))
        cves.append({"cve_id": metadata["cveId"], "state": metadata["state"], "title": containers["cna"].get("title"),
                     "cwe_ids": ",".join(sorted(filter(None, cwes))), "published_at": metadata.get("datePublished"),
                     "modified_at": metadata.get("dateUpdated"), "source": "cve5", "record_kev": bool(marks),
                     "record_kev_added": min(filter(None, marks), default=None),
                     "record_sha256": hashlib.sha256(raw).hexdigest(), "snapshot_id": 1})  # fmt: skip
    for name, rows, dates in (
        ("cve", cves, ["published_at", "modified_at", "record_kev_added"]), ("cve_score", scores, ["dated_at"]),
        ("cve_ssvc", ssvc, ["dated_at"]), ("cve_product", products, []),
    ):  # fmt: skip
        frame = pd.DataFrame(rows)
        for column in dates:
            frame[column] = pd.to_datetime(frame[column], format="ISO8601")
        frame.to_sql(f"base_{name}", engine, index=False, if_exists="replace")
    with (folder / "epss.csv").open(encoding="utf-8") as file:
        head = dict(part.split(":", 1) for part in file.readline().strip("#\n").split(","))
        frame = pd.read_csv(file).rename(columns={"cve": "cve_id", "epss": "probability"})
    frame["score_date"] = pd.to_datetime(head["score_date"]).date()
    frame["model_version"], frame["snapshot_id"] = head["model_version"], 2
    frame.to_sql("base_epss", engine, index=False, if_exists="replace")
    entries = json.loads((folder / "kev.json").read_text("utf-8"))["vulnerabilities"]
    frame = pd.DataFrame([
        {"cve_id": entry["cveID"], "date_added": entry["dateAdded"], "due_date": entry["dueDate"],
         "known_ransomware": entry["knownRansomwareCampaignUse"] == "Known", "name": entry["vulnerabilityName"],
         "record_sha256": hashlib.sha256(json.dumps(entry).encode()).hexdigest(), "snapshot_id": 3}
        for entry in entries
    ])  # fmt: skip
    for column in ("date_added", "due_date"):
        frame[column] = pd.to_datetime(frame[column]).dt.date
    frame.to_sql("base_kev", engine, index=False, if_exists="replace")
    with engine.begin() as connection:  # queryable: by the same keys as Suture's tables
        for name, key in KEYS.items():
            connection.execute(sqlalchemy.text(f"ALTER TABLE base_{name} ADD PRIMARY KEY ({key})"))
        connection.execute(sqlalchemy.text(BY_NAME))


# Measuring ---------------------------------------------------------------------------------------------------------------


def measure(args: argparse.Namespace, data: Path, home: Path) -> int:
    from suture.command.postgres import EmbeddedPostgres
    from suture.store import migrate

    if not (data / "kev.json").exists():
        print(f"making {args.records} records in {data} …", file=sys.stderr)
        print(f"{generate(data, args.records, args.seed) / 1e6:.0f} MB of JSON", file=sys.stderr)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = EmbeddedPostgres(home, port)
    server.start()
    try:
        results = []
        for number in range(args.runs):
            name = f"bench{number}"
            server.create_database(name)
            migrate(server.dsn(name))
            results.append(one_run(data, server.dsn(name), server.data))
    finally:
        server.stop(immediate=True)
        server.destroy()
    best = {key: min((result[key] for result in results), key=lambda found: found["seconds"]) for key in results[0]}
    first, again, base = best["suture"], best["rerun"], best["baseline"]
    print(f"\n{'':24}{'wall s':>9}{'cpu s':>9}{'server':>9}{'peak MiB':>10}")
    for title, found in (("suture", first), ("suture, unchanged", again), ("json + pandas.to_sql", base)):
        cpu, server_s = found["cpu_seconds"], found["server_seconds"]
        print(f"{title:24}{found['seconds']:9.2f}{cpu:9.2f}{server_s:9.2f}{found['peak_mib']:10.0f}")
    whole = [found["cpu_seconds"] + found["server_seconds"] for found in (base, first)]
    print(f"\nbaseline / suture, CPU   {whole[0] / whole[1]:6.2f}   (of all processes, the server's too)")
    print(f"baseline / suture        {base['seconds'] / first['seconds']:6.2f}   (goal: at least 8)")
    print(f"unchanged / first        {again['seconds'] / first['seconds']:6.2f}   (goal: at most 0.6)")
    print(f"peak resident, MiB       {max(first['peak_mib'], again['peak_mib']):6.0f}   (goal: at most 128)")
    return 0


def one_run(data: Path, dsn: str, cluster: Path) -> dict[str, Any]:
    child(data, dsn, "read", cluster)
    first = child(data, dsn, "suture", cluster)
    print("\n".join(first["outcomes"]), file=sys.stderr)
    before = places(dsn)
    again = child(data, dsn, "suture", cluster)
    print("\n".join(again["outcomes"]), file=sys.stderr)
    if places(dsn) != before:
        raise SystemExit("The unchanged rerun wrote rows.")
    base = child(data, dsn, "baseline", cluster)
    compare(dsn)
    return {"suture": first, "rerun": again, "baseline": base}


def child(data: Path, dsn: str, name: str, cluster: Path) -> dict[str, Any]:
    before = server_cpu(cluster)
    command = [sys.executable, __file__, "--step", name, "--folder", str(data), "--dsn", dsn]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peaks: list[int] = []
        watcher = threading.Thread(target=watched, args=(process, peaks))
        watcher.start()
        assert process.stdout is not None
        said = process.stdout.read()
        watcher.join()
    if process.returncode:
        raise SystemExit(f"The step {name} failed.")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    found["peak_mib"] = max(found["peak_mib"], max(peaks, default=0) / 1024)
    found["server_seconds"] = server_cpu(cluster) - before
    print(f"{name}: {found['seconds']:.1f} s, {found['cpu_seconds']:.1f} s of CPU, "
          f"the server {found['server_seconds']:.1f} s, {found['peak_mib']:.0f} MiB", file=sys.stderr)  # fmt: skip
    return found


def server_cpu(cluster: Path) -> float:
    """CPU seconds of a cluster's server so far: its processes', and those of its sessions that ended."""
    postmaster = int((cluster / "postmaster.pid").read_text().split()[0])
    time.sleep(0.2)  # a session that was left is counted when it ended
    ticks = 0
    for pid in (postmaster, *started_by(postmaster)):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15] if pid == postmaster else fields[11:13]))
    return ticks / os.sysconf("SC_CLK_TCK")


def watched(process: subprocess.Popen[str], peaks: list[int]) -> None:
    """What a process and those that it started hold together, in KiB: a page that they share counts once (PSS)."""
    while process.poll() is None:
        total = 0
        for pid in (process.pid, *started_by(process.pid)):
            with contextlib.suppress(OSError):
                found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
                total += int(found[1]) if found else 0
        peaks.append(total)
        time.sleep(0.1)


def started_by(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def places(dsn: str) -> dict[str, Any]:
    """Where each row lies and who wrote it: any write, even of the same values, changes it."""
    import psycopg

    with psycopg.connect(dsn) as connection:
        return {
            table: connection.execute(
                f"SELECT count(*), sum(hashtextextended(ctid::text || xmin::text, 0)) FROM suture.{table}"  # noqa: S608
            ).fetchone()
            for table in (*TABLES, "cve_lookup", "feed_quarantine")
        }


def compare(dsn: str) -> None:
    """Stop unless both ways wrote the same values."""
    import psycopg

    with psycopg.connect(dsn) as connection:
        for table, columns in COMPARED.items():
            ours = columns.format(cwes="array_to_string(cwe_ids, ',')")
            theirs = columns.format(cwes="cwe_ids")
            here = OURS.get(table, f"suture.{table}")
            query = (
                f"SELECT (SELECT count(*) FROM {here}), (SELECT count(*) FROM public.base_{table}), "  # noqa: S608
                f"(SELECT count(*) FROM (SELECT {ours} FROM {here} EXCEPT ALL "
                f"SELECT {theirs} FROM public.base_{table}) AS differ)"
            )
            row = connection.execute(query).fetchone()
            assert row is not None
            print(f"{table:10} {row[0]:>8} rows, baseline {row[1]:>8}, different {row[2]}", file=sys.stderr)
            if row[0] != row[1] or row[2]:
                raise SystemExit(f"{table}: the two ways do not give the same rows.")


if __name__ == "__main__":
    sys.exit(main())
