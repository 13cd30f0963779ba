"""Real pairs of packages, an older and a newer version, from the machine's own apt sources.

    python benchmarks/archive_pairs.py [--folder DIR] [--sources 300] [--limit-mb 8]

For each source package that has two versions in the archive (the point release, and security or updates), two binary packages
are taken: the largest below the limit that is not documentation, translations, headers or debug data into the set `tuning` (most
content to raise a false alarm about), and another, picked by the hash of its name, into `held-out` (never looked at while the rules
were made). apt checks signatures and hashes; its lists and
cache lie in the folder, so nothing of the machine changes. What is there already is not fetched again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from suture.inventory.debian_version import compare
from suture.sourcing.examination import PackageFile, Subject

DEFAULT_FOLDER = Path(tempfile.gettempdir()) / "suture-archive-pairs"
_FIELD = re.compile(r"^(Package|Version|Architecture|Source|Section|Size|Filename|SHA256): (.*)$", re.MULTILINE)
_APT_HELPER = "/usr/lib/apt/apt-helper"
_LEFT_OUT = {"linux", "linux-6.1", "linux-6.12", "linux-signed-amd64"}  # 80 MB each, and one kind of file only
_DULL_SECTIONS = {"doc", "localization", "debug", "libdevel", "fonts", "metapackages"}
_DULL_ENDINGS = (
    "-doc",
    "-docs",
    "-dev",
    "-dbg",
    "-data",
    "-common",
    "-l10n",
    "-locales",
    "-tutorials",
    "-demo",
    "-source",
)


@dataclass(frozen=True)
class Candidate:
    name: str
    version: str
    architecture: str
    source: str
    size: int
    sha256: str
    section: str

    def is_dull(self) -> bool:
        """Seldom holds programs, libraries or scripts."""
        return self.section in _DULL_SECTIONS or self.name.endswith(_DULL_ENDINGS)

    def filename(self) -> str:
        return f"{self.name}_{self.version.replace(':', '%3a')}_{self.architecture}.deb"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER)
    parser.add_argument("--sources", type=int, default=300, help="at most so many source packages")
    parser.add_argument("--limit-mb", type=float, default=8)
    arguments = parser.parse_args()
    chosen = collect(arguments.folder, sources=arguments.sources, limit_bytes=int(arguments.limit_mb * 1e6))
    print({kind: len(pairs) for kind, pairs in chosen.items()}, arguments.folder)


def load(folder: Path, kind: str) -> list[Subject]:
    """The pairs of one set (`tuning`, `held-out`, or `all`) that lie in the folder."""
    listed = json.loads((folder / "pairs.json").read_text("utf-8"))
    wanted = listed if kind == "all" else {kind: listed[kind]}
    found = []
    for pairs in wanted.values():
        for old, new in pairs:
            files = [_package(folder, Candidate(**entry)) for entry in (old, new)]
            if all(file.path.is_file() for file in files):
                found.append(Subject(new=files[1], old=files[0]))
    return found


def collect(folder: Path, *, sources: int, limit_bytes: int) -> dict[str, list[tuple[Candidate, Candidate]]]:
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "debs").mkdir(exist_ok=True)
    subprocess.run(["apt-get", *_options(folder), "-q", "update"], check=True)
    chosen = choose(_available(folder), sources=sources, limit_bytes=limit_bytes)
    listed = {kind: [[vars(c) for c in pair] for pair in pairs] for kind, pairs in chosen.items()}
    (folder / "pairs.json").write_text(json.dumps(listed, indent=1), "utf-8")
    for pairs in chosen.values():
        for side in (0, 1):
            _download(folder, [pair[side] for pair in pairs])
    return chosen


def choose(
    available: dict[str, list[Candidate]], *, sources: int, limit_bytes: int
) -> dict[str, list[tuple[Candidate, Candidate]]]:
    """For each source the two pairs, in the order of the sources' hashes."""
    by_source: dict[str, list[tuple[Candidate, Candidate]]] = defaultdict(list)
    for versions in available.values():
        ordered = sorted(versions, key=cmp_to_key(lambda a, b: compare(a.version, b.version)))
        old, new = ordered[0], ordered[-1]
        if old.version != new.version and max(old.size, new.size) <= limit_bytes and new.source not in _LEFT_OUT:
            by_source[new.source].append((old, new))
    tuning, held_out = [], []
    for source in sorted(by_source, key=_hash)[:sources]:
        pairs = sorted(by_source[source], key=lambda pair: (pair[1].is_dull(), -pair[1].size, pair[1].name))
        tuning.append(pairs[0])
        if len(pairs) > 1:
            held_out.append(min(pairs[1:], key=lambda pair: _hash(pair[1].name)))
    return {"tuning": tuning, "held-out": held_out}


def _available(folder: Path) -> dict[str, list[Candidate]]:
    targets = ["apt-get", *_options(folder), "indextargets", "--format", "$(FILENAME)", "Created-By: Packages"]
    indices = subprocess.run(targets, check=True, capture_output=True, text=True).stdout.split()
    read = [_APT_HELPER, "cat-file", *indices]  # whichever compression apt keeps them in
    printed = subprocess.run(read, check=True, capture_output=True, text=True)
    found: dict[str, list[Candidate]] = defaultdict(list)
    for stanza in printed.stdout.split("\n\n"):
        fields = dict(_FIELD.findall(stanza))
        if {"Package", "Version", "Size", "SHA256", "Filename"} <= fields.keys():
            size, section = int(fields["Size"]), fields.get("Section", "").split("/")[-1]
            source = fields.get("Source", fields["Package"]).split(" ")[0]
            found[fields["Package"]].append(
                Candidate(
                    fields["Package"],
                    fields["Version"],
                    fields["Architecture"],
                    source,
                    size,
                    fields["SHA256"],
                    section,
                )
            )
    return found


def _download(folder: Path, wanted: list[Candidate]) -> None:
    missing = [c for c in wanted if not (folder / "debs" / c.filename()).is_file()]
    for start in range(0, len(missing), 20):
        names = [f"{c.name}={c.version}" for c in missing[start : start + 20]]
        done = subprocess.run(["apt-get", *_options(folder), "-q", "download", *names], cwd=folder / "debs")
        if done.returncode:
            print(f"apt-get download ended with {done.returncode}; those pairs are left out", file=sys.stderr)


def _options(folder: Path) -> list[str]:
    return [
        "-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}", "-o", "APT::Sandbox::User=root",
    ]  # fmt: skip


def _package(folder: Path, candidate: Candidate) -> PackageFile:
    return PackageFile(
        path=folder / "debs" / candidate.filename(), name=candidate.name, version=candidate.version,
        architecture=candidate.architecture, sha256=candidate.sha256, source=candidate.source,
    )  # fmt: skip


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
