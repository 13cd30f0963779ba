"""A made-up fleet for benchmarks and tests of size: hosts of a few images, advisories, and what is known of their CVEs.

Hosts are installed from images: a host has one image's packages, a few of them in an older or newer version, so that the
whole fleet has few distinct versions of a package. How many hosts have a package falls with its rank (every host has
libc6, few have the thousandth). Everything follows from the seed. Rows go in by COPY.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from suture.store import Store

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GROUPS = (
    ("web", "high", "open"), ("api", "high", "controlled"), ("batch", "medium", "controlled"),
    ("database", "critical", "small"), ("office", "low", "small"), ("build", "medium", "small"),
)  # fmt: skip
VECTORS = (
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N",
    "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N",
    "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "CVSS:3.1/AV:L/AC:H/PR:L/UI:R/S:U/C:L/I:L/A:L",
)  # fmt: skip
COPY_IMAGES = """
INSERT INTO host_package (host_id, package, architecture, version, source_package, source_version, dpkg_status)
SELECT host.host_id, model.package, model.architecture, given.version, model.source_package, given.version, 'ii'
FROM host
INNER JOIN host_package AS model
    ON model.host_id = 'host-' || lpad((right(host.host_id, 6)::integer %% %(images)s)::text, 6, '0')
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN abs(hashtext(host.host_id || model.source_package)) %% 100 < 3
            THEN '2.' || substring(model.version FROM '^2\\.(\\d+)')::integer + 1 || '-1'
        ELSE model.version
    END AS version
) AS given
WHERE right(host.host_id, 6)::integer >= %(images)s
ORDER BY host.host_id, model.package
"""


@dataclass(frozen=True)
class FleetSize:
    """hosts; packages on each; source packages in the archive; advisories in all; images that hosts are made from; versions of
    a source package, ever, and up to which of them (counted from 2) the least patched image is: at 4 of 12 a host lacks more than half
    of all fixes of what it has, at 8 a fifth."""

    hosts: int
    packages: int = 400
    sources: int = 1_500
    advisories: int = 6_000
    images: int = 40
    versions: int = 12
    level: int = 4


class MadeFleet:
    """The rows of one fleet. `load` writes them; `advisory_rows` can make more advisories later."""

    def __init__(self, size: FleetSize, seed: int = 1) -> None:
        self.size, self._random = size, random.Random(seed)  # noqa: S311
        self._made = 0
        each = size.packages * 3 // 4  # source packages on a host: three for four binaries
        common = each // 2
        self._images = [
            sorted({*range(common), *self._random.sample(range(common, size.sources), each - common)})
            for _ in range(size.images)
        ]

    def load(self, store: Store) -> None:
        self._copy_hosts(store)
        self.add_advisories(store, self.size.advisories)

    def add_advisories(self, store: Store, count: int) -> list[str]:
        """New advisories, each for one source package and release, with one to four CVEs; their ids."""
        rows, named, facts = [], [], []
        for _ in range(count):
            self._made += 1
            source = self._random.randrange(self.size.sources)
            fixed = self._random.randint(2, self.size.versions)
            advisory_id = f"debian-security/source{source:04d}@2.{fixed}-1+deb12u{self._made}"
            rows.append(
                (advisory_id, "debian-security", "bookworm-security", f"source{source:04d}", f"2.{fixed}-1~{self._made}",
                 "bookworm", NOW)
            )  # fmt: skip
            for number in range(self._random.randint(1, 4)):
                cve = f"CVE-2026-{self._made:06d}{number}"
                named.append((advisory_id, cve))
                facts.append((cve, self._random.random()))
        store.copy_rows(
            "advisory",
            ["advisory_id", "source", "suite", "source_package", "fixed_version", "codename", "first_seen_at"],
            rows,
        )
        store.copy_rows("advisory_cve", ["advisory_id", "cve_id"], named)
        self._copy_facts(store, facts)
        return [str(row[0]) for row in rows]

    def _copy_hosts(self, store: Store) -> None:
        names = [f"host-{number:06d}" for number in range(self.size.hosts)]
        store.copy_rows(
            "host",
            ["host_id", "asset_group", "environment", "criticality", "exposure", "os_id", "os_codename", "collected_at"],
            (
                (name, *self._placed(number), "debian", "bookworm", NOW)
                for number, name in enumerate(names)
            ),
        )  # fmt: skip
        # One host of each image by COPY; the others are its copies, three in a hundred of their packages a version newer.
        first = names[: self.size.images]
        store.copy_rows(
            "host_package",
            ["host_id", "package", "architecture", "version", "source_package", "source_version", "dpkg_status"],
            (row for number, name in enumerate(first) for row in self._packages(number, name)),
        )
        store._connection.execute(COPY_IMAGES, {"images": self.size.images})

    def _placed(self, number: int) -> tuple[str, str, str, str]:
        group, criticality, exposure = GROUPS[number % len(GROUPS)]
        return group, "production", criticality, exposure

    def _packages(self, number: int, name: str) -> Iterator[tuple[str, ...]]:
        image = number % self.size.images
        level = self.size.level + image % 4  # how far this image is patched
        left = self.size.packages
        for source in self._images[image]:
            here = level + (source * 7 + image) % 2
            version = f"2.{here}-1"
            for part in range(1 if source % 3 else 2):
                if left == 0:
                    return
                left -= 1
                yield name, f"package{source:04d}-{part}", "amd64", version, f"source{source:04d}", version, "ii"

    def _copy_facts(self, store: Store, facts: list[tuple[str, float]]) -> None:
        pick = self._random
        store.copy_rows("cve", ["cve_id", "state", "source"], [(cve, "PUBLISHED", "cve5") for cve, _ in facts])
        store.copy_rows(
            "cve_score",
            ["cve_id", "source", "cvss_version", "vector"],
            [(cve, "cna:made", "3.1", pick.choice(VECTORS)) for cve, chance in facts if chance < 0.85],
        )
        store.copy_rows(
            "cve_ssvc",
            ["cve_id", "exploitation", "automatable", "technical_impact", "dated_at", "source"],
            [
                (
                    cve,
                    pick.choice(("none", "none", "none", "poc")),
                    pick.choice(("no", "yes")),
                    "partial",
                    NOW,
                    "adp:CISA",
                )
                for cve, chance in facts
                if chance < 0.7
            ],
        )
        store.copy_rows(
            "kev", ["cve_id", "date_added"], [(cve, "2026-10-01") for cve, chance in facts if chance < 0.01]
        )
        store.copy_rows(
            "epss",
            ["cve_id", "probability", "percentile", "score_date", "model_version"],
            [(cve, chance**6, chance, "2026-11-22", "v4") for cve, chance in facts],
        )
