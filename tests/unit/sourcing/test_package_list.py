"""A list of packages answers alike, whether its packages are there as objects or as columns of bytes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suture.sourcing import Refusal, RefusalReason
from suture.sourcing.dependencies import close_over, parse_dependencies
from suture.sourcing.package_table import PackageTable
from suture.sourcing.packages import (
    BinaryPackage,
    PackageList,
    PlainPackageList,
    merge_packages,
    parse_one_by_one,
    parse_packages,
)
from suture.sourcing.text_column import TextColumn

NAMES = ["lib", "libfoo", "libfoo-dev", "a-very-long-name-that-fills-many-words", "eightlet", "mail-agent"]
PACKAGES = st.builds(
    BinaryPackage,
    name=st.sampled_from(NAMES),
    version=st.sampled_from(["1.0", "1.0-1+b1", "2:3~rc1"]),
    source=st.sampled_from(["lib", "foo(bar", "libfoo"]),
    source_version=st.sampled_from(["1.0", "9"]),
    architecture=st.sampled_from(["amd64", "all"]),
    filename=st.sampled_from(["pool/a.deb", "pool/a%3ab.deb"]),
    size=st.sampled_from([0, 7, 10**17]),
    sha256=st.sampled_from(["a" * 64, "b" * 64]),
    sha512=st.sampled_from([None, "c" * 128]),
    depends=st.sampled_from(["", "libc6 (>= 2)", "é,\nlib | mail-agent"]),
    pre_depends=st.sampled_from(["", "dpkg"]),
    provides=st.sampled_from(
        ["", "mail-agent", "mail-agent (= 2), lib", "libfoo:any(=1),\n eightlet [amd64]|mail-agent"]
    ),
    component=st.sampled_from(["", "main", "non-free-firmware"]),
    phased_percentage=st.sampled_from([None, 0, 40]),
)
KINDS: list[Callable[[Sequence[BinaryPackage]], PackageList]] = [PlainPackageList, PackageTable.of]


def package(name: str = "lib", **changes: object) -> BinaryPackage:
    found = BinaryPackage(name, "1.0", name, "1.0", "all", f"pool/{name}.deb", 1, "a" * 64, None, "", "", "", "main")
    return replace(found, **changes)  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.lists(PACKAGES, max_size=12), st.sampled_from(KINDS), st.slices(12))
def test_every_question_has_the_answer_of_the_packages_themselves(
    packages: list[BinaryPackage], kind: Callable[[Sequence[BinaryPackage]], PackageList], part: slice
) -> None:
    found = kind(packages)
    assert (len(found), list(found), found == packages) == (len(packages), packages, True)
    assert list(found[part]) == packages[part]
    assert [found[row] for row in range(-len(packages), len(packages))] == packages * 2
    assert found.total_bytes == sum(one.size for one in packages)
    assert found.named("lib", "eightlet") == [one for one in packages if one.name in {"lib", "eightlet"}]
    assert found.named("nobody") == found.named() == found.offering("nobody") == found.of_source("nobody") == []
    for name in NAMES:
        provided = [{atom.name for group in parse_dependencies(one.provides) for atom in group} for one in packages]
        pairs = zip(packages, provided, strict=True)
        assert found.offering(name) == [one for one, names in pairs if name == one.name or name in names]
        assert found.of_source(name) == [one for one in packages if one.source == name]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.lists(PACKAGES, max_size=6)), min_size=1, max_size=4))
def test_lists_are_merged_alike(parts: list[tuple[Callable[[Sequence[BinaryPackage]], PackageList], list[BinaryPackage]]]) -> None:
    plain = [PlainPackageList(packages) for _kind, packages in parts]
    assert merged([kind(packages) for kind, packages in parts]) == merged(plain)


def merged(lists: Sequence[PackageList]) -> list[BinaryPackage] | tuple[str, str]:
    """The packages, or the refusal's sentence and subject."""
    try:
        return list(merge_packages(lists, subject="dists/x"))
    except Refusal as refusal:
        return refusal.sentence, refusal.subject


@pytest.mark.parametrize("kind", KINDS)
def test_repeats_are_dropped_and_two_files_of_one_name_are_refused(
    kind: Callable[[Sequence[BinaryPackage]], PackageList],
) -> None:
    main = [package("lib"), package("app", architecture="amd64")]
    again = [package("lib", component="contrib"), package("tool")]
    assert merged([kind(main), kind(again)]) == [*main, again[1]]
    other = package("lib", sha256="b" * 64, filename="pool/other.deb")
    with pytest.raises(Refusal, match=r"two different files as lib 1\.0 all") as refused:
        merge_packages([kind(main), kind([other])], subject="dists/x")
    assert (refused.value.reason, refused.value.subject) == (RefusalReason.MALFORMED, "pool/other.deb")


def test_hashes_only_narrow_down_what_is_compared_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every name of one hash the answers are the same, and no package is taken for another's repeat."""
    packages = [package(name, provides=provides) for name, provides in zip(NAMES, ["", "x", "lib", "", "y", ""], strict=True)]
    monkeypatch.setattr("suture.sourcing.package_table.hash", lambda _value: 7, raising=False)
    monkeypatch.setattr(TextColumn, "hashes", lambda column: np.zeros(len(column), dtype=np.uint64))
    found = merge_packages([PackageTable.of(packages)], subject="dists/x")
    assert found == packages
    assert found.named("libfoo", "lib") == packages[:2]
    assert found.offering("lib") == [packages[0], packages[2]]
    assert found.of_source("eightlet") == [packages[4]]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20), max_size=10))
def test_a_column_gives_its_texts_back(texts: list[str]) -> None:
    column = TextColumn.of(texts)
    assert column.texts(0, len(texts)) == texts
    twice = TextColumn.joined([column, TextColumn.of([]), column])
    assert twice.texts(0, len(twice)) == texts * 2
    hashes = twice.hashes().tolist()
    assert hashes == column.hashes().tolist() * 2
    assert len(set(hashes)) == len(set(texts))  # of a few texts: else repeats would be looked for in vain
    rows = np.arange(len(texts))[::-2]
    assert column.at(rows).texts(0, len(rows)) == texts[::-2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_closure_over_a_list_is_that_over_its_packages(kind: Callable[[Sequence[BinaryPackage]], PackageList]) -> None:
    app = package("app", depends="mail-agent, lib (>= 1), awk")
    offered = [app, package("lib"), package("postfix", provides="mail-agent (= 3), smtp"), package("mawk", provides="awk")]
    closure = close_over([app], kind(offered), {"h1": {"app": "0.9", "mawk": "1.0"}})
    assert [one.name for one in closure.added] == ["postfix", "lib"]
    assert closure.assumed == ()


def test_a_table_takes_half_of_what_objects_take() -> None:
    index = "\n".join(
        f"Package: lib{n}\nVersion: {n}.0-1\nArchitecture: amd64\nDepends: libc6 (>= 2.{n}), lib{n}-data (= {n}.0-1)\n"
        f"Filename: pool/main/l/lib{n}/lib{n}_{n}.0-1_amd64.deb\nSize: {n}\nSHA256: {n:064x}\n"
        for n in range(4000)
    ).encode()
    tracemalloc.start()
    objects = parse_one_by_one(index, subject="Packages", component="main")
    cost_of_objects = tracemalloc.get_traced_memory()[0]
    table = parse_packages(index, subject="Packages", component="main")
    cost_of_table = tracemalloc.get_traced_memory()[0] - cost_of_objects
    tracemalloc.stop()
    assert cost_of_table < cost_of_objects / 2
    assert table == objects
