"""Debian versions: our order against apt_pkg, and the key in SQL against other ways to compare there.

    python benchmarks/version_order.py [--pairs 500000] [--sql postgresql://…]

Material: the versions in the machine's own apt lists (`apt-cache dumpavail`). Pairs: two versions of the same material at
random, half of them near neighbours in order (the hard ones). apt_pkg runs in the system's python3. With --sql, an empty
database is used: the same pairs are counted in it by the key (bytea), by a comparison in PL/pgSQL (dpkg's algorithm), and
by the debversion extension where it is there. Ratios are of one run; the seed is fixed.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "include"))

from suture.inventory.debian_version import sort_key

APT = """
import sys, time, apt_pkg
apt_pkg.init_system()
pairs = [line.rstrip("\\n").split("\\t") for line in sys.stdin]
started = time.perf_counter()
found = [apt_pkg.version_compare(a, b) for a, b in pairs]
print(time.perf_counter() - started)
print("".join("<" if r < 0 else ">" if r > 0 else "=" for r in found))
"""
PLPGSQL = """
CREATE FUNCTION pg_temp.dpkg_order(c text) RETURNS int LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN c = '~' THEN -1 WHEN c = '' OR c ~ '[0-9]' THEN 0 WHEN c ~ '[A-Za-z]' THEN ascii(c) ELSE ascii(c) + 256 END $$;
CREATE FUNCTION pg_temp.dpkg_part(a text, b text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE x text; y text; d numeric; n int;
BEGIN
  WHILE a <> '' OR b <> '' LOOP
    x := substring(a from '^[^0-9]*'); y := substring(b from '^[^0-9]*');
    FOR n IN 1 .. greatest(length(x), length(y)) LOOP
      d := pg_temp.dpkg_order(substr(x, n, 1)) - pg_temp.dpkg_order(substr(y, n, 1));
      IF d <> 0 THEN RETURN sign(d); END IF;
    END LOOP;
    a := substr(a, length(x) + 1); b := substr(b, length(y) + 1);
    x := substring(a from '^[0-9]*'); y := substring(b from '^[0-9]*');
    d := coalesce(nullif(x, '')::numeric, 0) - coalesce(nullif(y, '')::numeric, 0);
    IF d <> 0 THEN RETURN sign(d); END IF;
    a := substr(a, length(x) + 1); b := substr(b, length(y) + 1);
  END LOOP;
  RETURN 0;
END $$;
CREATE FUNCTION pg_temp.dpkg_older(a text, b text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE ea numeric := coalesce(substring(a from '^([0-9]+):')::numeric, 0);
        eb numeric := coalesce(substring(b from '^([0-9]+):')::numeric, 0); r int;
BEGIN
  IF ea <> eb THEN RETURN ea < eb; END IF;
  a := regexp_replace(a, '^[0-9]+:', ''); b := regexp_replace(b, '^[0-9]+:', '');
  r := pg_temp.dpkg_part(regexp_replace(a, '-[^-]*$', ''), regexp_replace(b, '-[^-]*$', ''));
  IF r <> 0 THEN RETURN r < 0; END IF;
  RETURN pg_temp.dpkg_part(coalesce(substring(a from '-([^-]*)$'), ''), coalesce(substring(b from '-([^-]*)$'), '')) < 0;
END $$;
"""


def material() -> list[str]:
    listed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    found = {line[9:].strip() for line in listed.splitlines() if line.startswith("Version: ")}
    return sorted(found, key=sort_key)


def drawn(versions: list[str], count: int) -> list[tuple[str, str]]:
    rng = random.Random(8398)  # noqa: S311  # a benchmark's draw
    pairs = []
    for number in range(count):
        place = rng.randrange(len(versions))
        other = rng.randrange(len(versions)) if number % 2 else min(len(versions) - 1, max(0, place + rng.randint(-3, 3)))
        pairs.append((versions[place], versions[other]))
    return pairs


def against_apt(pairs: list[tuple[str, str]]) -> None:
    started = time.perf_counter()
    ours = "".join("<" if a < b else ">" if a > b else "=" for a, b in ((sort_key(x), sort_key(y)) for x, y in pairs))
    took = time.perf_counter() - started
    run = subprocess.run(
        ["/usr/bin/python3", "-c", APT], input="".join(f"{a}\t{b}\n" for a, b in pairs), capture_output=True, text=True
    )
    if run.returncode != 0:
        print(f"apt_pkg: not measured, the system's python3 has none: {run.stderr.strip().splitlines()[-1]}")
        return
    seconds, theirs = run.stdout.split("\n")[:2]
    differences = [pair for pair, one, other in zip(pairs, ours, theirs, strict=True) if one != other]
    print(f"differences from apt_pkg in {len(pairs)} pairs: {len(differences)} {differences[:5]}")
    counts = {sign: ours.count(sign) for sign in "<=>"}
    print(f"relations: {counts}; key and compare, cold: {took:.2f} s; apt_pkg: {float(seconds):.2f} s")


def against_univers(pairs: list[tuple[str, str]]) -> None:
    from univers.versions import DebianVersion

    wrong = 0
    for one, other in pairs:
        theirs, other_version = DebianVersion(one), DebianVersion(other)
        relation = (theirs > other_version) - (theirs < other_version)
        ours = (sort_key(one) > sort_key(other)) - (sort_key(one) < sort_key(other))
        wrong += relation != ours
    print(f"univers: {wrong} of {len(pairs)} pairs otherwise than apt_pkg and we")


def in_sql(dsn: str, pairs: list[tuple[str, str]]) -> None:
    import psycopg

    with psycopg.connect(dsn) as connection:
        connection.execute("SET max_parallel_workers_per_gather = 0")
        connection.execute("SET jit = off")
        connection.execute("CREATE TEMP TABLE pair (a text, b text, ka bytea, kb bytea)")
        with connection.cursor() as cursor, cursor.copy("COPY pair FROM STDIN") as copy:
            for one, other in pairs:
                copy.write_row((one, other, sort_key(one), sort_key(other)))
        connection.execute("ANALYZE pair")
        connection.execute(PLPGSQL)
        slow = min(len(pairs), 20_000)
        by_key = _timed(connection, "SELECT count(*) FROM pair WHERE ka < kb")
        connection.execute("CREATE TEMP TABLE few AS SELECT * FROM pair LIMIT 20000")
        few = _timed(connection, "SELECT count(*) FROM few WHERE ka < kb")
        by_code = _timed(connection, "SELECT count(*) FROM few WHERE pg_temp.dpkg_older(a, b)")
        print(f"SQL, key: {by_key[1] * 1e9 / len(pairs):.0f} ns a pair")
        print(f"SQL, dpkg's algorithm in PL/pgSQL: {by_code[1] * 1e9 / slow:.0f} ns a pair; same count: {few[0] == by_code[0]}")
        available = connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'debversion'").fetchone()
        if available is None:
            print("SQL, debversion: not measured, this PostgreSQL has no such extension")
            return
        connection.execute("CREATE EXTENSION IF NOT EXISTS debversion")
        connection.execute("CREATE TEMP TABLE typed AS SELECT a::debversion, b::debversion FROM pair")
        extension = _timed(connection, "SELECT count(*) FROM typed WHERE a < b")
        print(f"SQL, debversion: {extension[1] * 1e9 / len(pairs):.0f} ns a pair; same count: {extension[0] == by_key[0]}")
        print(f"ratio debversion / key: {extension[1] / by_key[1]:.2f}")


def _timed(connection: object, statement: str) -> tuple[int, float]:
    """The count, and the least of five timings."""
    best, count = float("inf"), 0
    for _round in range(5):
        started = time.perf_counter()
        count = connection.execute(statement).fetchone()[0]  # type: ignore[attr-defined]
        best = min(best, time.perf_counter() - started)
    return count, best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=500_000)
    parser.add_argument("--sql", metavar="URL", help="an empty PostgreSQL database to compare in")
    args = parser.parse_args()
    versions = material()
    pairs = drawn(versions, args.pairs)
    print(f"{len(versions)} distinct versions, {len(pairs)} pairs")
    against_apt(pairs)
    against_univers(pairs[:20_000])
    if args.sql:
        in_sql(args.sql, pairs)


if __name__ == "__main__":
    main()
