"""Proving a whole suite against gpgv and sha256sum over the same bytes; reading an index against python-debian.

    python benchmarks/repository_proof.py [--folder DIR | --megabytes 400 | --only-parsing] [--rounds 3]

Material: a repository in a folder (--folder, with dists/ and pool/, and --suite, --keyring), or one that is made for the
run: entries of the largest packages index that this machine's apt has, with files of random bytes, signed by a key made
here. Everything has been read once before the clock starts, so all is in the page cache. The yardstick of the proof is
what an operator would do by hand: gpgv on InRelease, then one sha256sum over the indices and all package files. Ratios are
of one run; the best of the rounds counts. Reading the index is measured in CPU seconds, the proof in seconds of the clock.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "include"), str(ROOT)]

from suture.sourcing import AptSource, verify_repository  # noqa: E402
from suture.sourcing.dependencies import close_over  # noqa: E402
from suture.sourcing.packages import (  # noqa: E402
    BinaryPackage,
    PackageList,
    merge_packages,
    parse_one_by_one,
    parse_packages,
)
from suture.sourcing.seen import NothingSeen  # noqa: E402
from suture.sourcing.transport import FolderTransport  # noqa: E402

INTAKE_PACKAGES = 50
LISTS = Path("/var/lib/apt/lists")
STANZA = re.compile(rb"(?s)(.*?\n)\n")


def machine_index() -> bytes:
    """The largest packages index of this machine's apt, plain."""
    found = [path for path in LISTS.glob("*_Packages*") if path.is_file()]
    if not found:
        sys.exit("This machine's apt has no packages index: run apt-get update, or give --folder.")
    path = max(found, key=lambda one: one.stat().st_size)
    return subprocess.run(["/usr/lib/apt/apt-helper", "cat-file", str(path)], capture_output=True, check=True).stdout


def made_repository(folder: Path, megabytes: int) -> tuple[Path, str, Path]:
    """(root, suite, keyring): real entries, their files random bytes of 20 kB to 4 MB, 1 MB in the middle."""
    import lzma

    from tests.faults.repository.builder import RELEASE_DATE, Key

    stanzas, total, number = [], 0, 0
    for match in STANZA.finditer(machine_index()):
        if total >= megabytes * 1_000_000:
            break
        size = (20_000, 200_000, 1_000_000, 4_000_000)[number % 4]
        data, number, total = os.urandom(size), number + 1, total + size
        path = folder / "pool" / f"p{number}.deb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        kept = re.sub(rb"(?m)^(Filename|Size|MD5sum|SHA256|SHA512):.*\n", b"", match[1])
        kept += f"Filename: pool/p{number}.deb\nSize: {size}\nSHA256: {hashlib.sha256(data).hexdigest()}\n".encode()
        stanzas.append(kept)
    index = b"\n".join(stanzas)
    dist = folder / "dists" / "bench"
    (dist / "main" / "binary-amd64").mkdir(parents=True)
    now = datetime.now(UTC)
    lines = ["Origin: Bench", "Suite: bench", "Codename: bench", "Components: main", "Architectures: amd64"]
    lines += [
        f"Date: {now.strftime(RELEASE_DATE)}",
        f"Valid-Until: {(now + timedelta(1)).strftime(RELEASE_DATE)}",
        "SHA256:",
    ]
    for name, data in (("Packages", index), ("Packages.xz", lzma.compress(index, preset=1))):
        (dist / "main" / "binary-amd64" / name).write_bytes(data)
        lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/{name}")
    key = Key(folder / "key", owner="Bench").make(made_at=now - timedelta(days=1))
    (dist / "InRelease").write_bytes(key.sign_at(("\n".join(lines) + "\n").encode(), now)[0])
    keyring = folder / "bench.gpg"
    keyring.write_bytes(key.public_key())
    return folder, "bench", keyring


def timed(call: Callable[[], object], rounds: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of the best round."""
    best = float("inf")
    for _round in range(rounds):
        gc.collect()
        started = clock()
        call()
        best = min(best, clock() - started)
    return best


def proof(root: Path, suite: str, keyring: Path, rounds: int) -> None:
    source = AptSource("bench", str(root), suite, (keyring,))

    def ours() -> int:
        found = verify_repository(
            source, FolderTransport(root), at=datetime.now(UTC), seen=NothingSeen(), choose_files=lambda p: p
        )
        return len(found.files)

    files = ours()
    paths = [str(path) for path in sorted((root / "pool").rglob("*.deb"))]
    indices = [str(path) for path in sorted((root / "dists" / suite).rglob("Packages*")) if path.is_file()]
    megabytes = sum(Path(path).stat().st_size for path in [*paths, *indices]) / 1e6

    def by_hand() -> None:
        inrelease = str(root / "dists" / suite / "InRelease")
        subprocess.run(["gpgv", "--quiet", "--keyring", str(keyring), inrelease], check=True, capture_output=True)
        subprocess.run(["sha256sum", *indices, *paths], check=True, capture_output=True)

    by_hand()
    theirs_s, ours_s = timed(by_hand, rounds), timed(ours, rounds)
    print(f"proof: {files} files, {megabytes:.0f} MB")
    print(f"  gpgv and sha256sum  {theirs_s:7.2f} s  {megabytes / theirs_s:6.0f} MB/s")
    print(f"  verify_repository   {ours_s:7.2f} s  {megabytes / ours_s:6.0f} MB/s  ({ours_s / theirs_s:.2f} of it)")


def parsing(rounds: int) -> None:
    """Reading alone; reading and doing with it what an intake of 50 packages does; reading and making every package."""
    from debian.deb822 import Packages

    index = machine_index()
    planned = [
        (package.name, package.version, package.architecture)
        for package in parse_one_by_one(index, subject="Packages", component="")
    ]
    count = len(planned)
    installed = {"host": {name: version for name, version, _architecture in planned[::2]}}  # half of what there is
    planned = planned[7 :: count // INTAKE_PACKAGES][:INTAKE_PACKAGES]
    cpu = time.process_time  # all are one thread: what else the machine does should not count

    def debian() -> int:
        return sum(1 for _package in Packages.iter_paragraphs(io.BytesIO(index), use_apt_pkg=False))

    def debian_selects() -> None:
        paragraphs = Packages.iter_paragraphs(io.BytesIO(index), use_apt_pkg=False)
        known = {(p["Package"], p["Version"], p["Architecture"]): p for p in paragraphs}
        for key in planned:
            assert all(known[key][field] for field in ("Filename", "Size", "SHA256"))

    def one_by_one() -> list[BinaryPackage]:
        return parse_one_by_one(index, subject="Packages", component="")

    def ours() -> PackageList:
        return parse_packages(index, subject="Packages")

    def chosen(packages: PackageList) -> list[BinaryPackage]:
        found = {(p.name, p.version, p.architecture): p for p in packages.named(*(name for name, *_more in planned))}
        chosen = [found[key] for key in planned]
        assert all(p.filename and p.size and p.sha256 for p in chosen)
        return chosen

    def intake() -> None:
        packages = merge_packages([ours()], subject="dists/suite")
        close_over(chosen(packages), packages, installed)

    measured: dict[str, Callable[[], object]] = {
        "python-debian": debian,
        "python-debian, 50 looked up": debian_selects,
        "parse_one_by_one": one_by_one,
        "parse_packages": ours,
        "parse_packages, 50 looked up": lambda: chosen(ours()),
        "parse_packages, intake of 50": intake,
        "parse_packages, all made": lambda: list(ours()),
    }
    print(f"index: {count} packages, {len(index) / 1e6:.0f} MB plain")
    theirs_s = 0.0
    for name, call in measured.items():
        seconds = timed(call, rounds, cpu)
        theirs_s = theirs_s or seconds
        print(
            f"  {name:<29}{seconds:7.2f} s  {seconds / count * 1e6:6.1f} µs a package  {theirs_s / seconds:5.1f} times"
        )
    for name, call in (("parse_one_by_one", one_by_one), ("parse_packages", ours)):
        kept, most = memory_of(call)
        print(f"  {name:<29}{kept / 1e6:7.1f} MB kept, {most / 1e6:.1f} MB at most on the way")


def memory_of(call: Callable[[], object]) -> tuple[int, int]:
    """Bytes that the call's result holds, and the most that were held on the way; without the index itself."""
    tracemalloc.start()
    result = call()
    kept, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return kept, most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--suite")
    parser.add_argument("--keyring", type=Path)
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-parsing", action="store_true", help="read the machine's index, and prove nothing")
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    parsing(args.rounds)
    if args.only_parsing:
        return
    if args.folder:
        proof(args.folder, args.suite, args.keyring, args.rounds)
        return
    with tempfile.TemporaryDirectory(prefix="suture-bench-") as folder:
        proof(*made_repository(Path(folder), args.megabytes), args.rounds)
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
