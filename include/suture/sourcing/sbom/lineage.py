"""The SBOM against the one before: is it the next of the same package, and what changed in it?

The rules:

1. The root keeps its ecosystem, namespace and name; its version is strictly newer by the ecosystem's rules; its supplier
   stays. The same version with other hashes is another file under an old name.
2. Components are compared by identity (ecosystem, namespace, name). One that went back is named; so is one that has the
   same version and another hash.
3. A name that is gone from one namespace or ecosystem and newly there in another is the mark of dependency confusion,
   unless policy knows the move. So is a purl that points to another repository.
4. Many changes of one kind are one concern with a count: a page of additions hides what matters.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from suture.sourcing.examination import Concern
from suture.sourcing.sbom import versions
from suture.sourcing.sbom.model import Component, Sbom
from suture.sourcing.sbom.text import shown

MAX_NAMED = 50
_WHERE = ("repository_url", "download_url", "vcs_url")
Identity = tuple[str, str, str]


@dataclass(frozen=True)
class Pair:
    """One component before and now."""

    old: Component
    new: Component

    @property
    def sentence(self) -> str:
        return f"{shown(self.new.label)} {shown(self.old.stated_version, 40)} → {shown(self.new.stated_version, 40)}"


@dataclass(frozen=True)
class Difference:
    """What changed between two SBOMs. moved: (old, new) of a name that changed its namespace or ecosystem."""

    added: tuple[Component, ...]
    removed: tuple[Component, ...]
    upgraded: tuple[Pair, ...]
    downgraded: tuple[Pair, ...]
    unordered: tuple[Pair, ...]
    rehashed: tuple[Pair, ...]
    moved: tuple[Pair, ...]
    relocated: tuple[Pair, ...]
    resupplied: tuple[Pair, ...]
    relicensed: tuple[Pair, ...]

    def as_dict(self) -> dict[str, Any]:
        """Counts, and the first MAX_NAMED of each list."""
        lists: dict[str, list[str]] = {
            "added": [f"{item.label} {item.stated_version}".strip() for item in self.added],
            "removed": [f"{item.label} {item.stated_version}".strip() for item in self.removed],
        }
        for key in (
            "upgraded",
            "downgraded",
            "unordered",
            "rehashed",
            "moved",
            "relocated",
            "resupplied",
            "relicensed",
        ):
            lists[key] = [pair.sentence for pair in getattr(self, key)]
        return {
            "counts": {key: len(found) for key, found in lists.items()},
            **{key: [shown(item, 200) for item in found[:MAX_NAMED]] for key, found in lists.items() if found},
        }


def difference(old: Sbom, new: Sbom) -> Difference:
    """Of the components; the roots are compared by `check`. One identity may stand several times, in several versions."""
    before, now = _by_identity(old.components), _by_identity(new.components)
    pairs = [pair for identity in before.keys() & now.keys() for pair in _paired(before[identity], now[identity])]
    pairs.sort(key=lambda pair: pair.new.identity)
    added = [item for identity, found in now.items() if identity not in before for item in found]
    removed = [item for identity, found in before.items() if identity not in now for item in found]
    ordered = [(pair, versions.compare(pair.new, pair.old)) for pair in pairs]
    same = [pair for pair, order in ordered if order == 0]
    return Difference(
        added=tuple(added), removed=tuple(removed),
        upgraded=tuple(pair for pair, order in ordered if order == 1),
        downgraded=tuple(pair for pair, order in ordered if order == -1),
        unordered=tuple(pair for pair, order in ordered if order is None and pair.new.stated_version != pair.old.stated_version),
        rehashed=tuple(pair for pair in same if contradict(pair.old, pair.new)),
        moved=tuple(_moved(added, removed)),
        relocated=tuple(pair for pair in pairs if _elsewhere(pair)),
        resupplied=tuple(pair for pair in pairs if pair.old.supplier and pair.new.supplier != pair.old.supplier),
        relicensed=tuple(pair for pair in pairs if pair.old.licences and pair.new.licences != pair.old.licences),
    )  # fmt: skip


def check(old: Sbom, new: Sbom, moves: frozenset[tuple[str, str]] = frozenset()) -> Iterator[Concern]:
    """moves: (old, new) purls without version that policy knows."""
    if old.root is not None and new.root is not None:
        yield from _root(Pair(old.root, new.root), moves)
    elif old.root is not None:
        yield Concern(
            "root_missing", "", f"The SBOM before was of {shown(old.title)}; this one does not say what it is about."
        )
    changes = difference(old, new)
    yield from _confusions(changes.moved, moves)
    for pair in changes.relocated:
        yield _relocated(pair)
    for pair in changes.downgraded:
        yield Concern("downgraded", pair.new.label, f"A component went back: {pair.sentence}.", _versions(pair))
    for pair in changes.rehashed:
        yield _rehashed(pair)
    yield from _suppliers(changes.resupplied)
    yield from _summed(
        "version_incomparable",
        changes.unordered,
        "components changed to a version that has no order with the one before",
    )
    yield from _summed("licence_changed", changes.relicensed, "components have other licences")
    yield from _summed("component_changed", changes.upgraded, "components are newer")
    yield from _listed("component_added", changes.added, "components are new")
    yield from _listed("component_removed", changes.removed, "components are gone")


def contradict(old: Component, new: Component) -> bool:
    """True where both give a hash by the same algorithm, and no value of it is the same."""
    before, now = _hashes(old), _hashes(new)
    return any(not before[algorithm] & now[algorithm] for algorithm in before.keys() & now.keys())


def _root(pair: Pair, moves: frozenset[tuple[str, str]]) -> Iterator[Concern]:
    old, new = pair.old, pair.new
    if old.identity != new.identity:
        if _same_name(old, new):
            # A purl that is newly given describes better; one that is dropped is a flaw of the tool, not a move.
            if (old.purl is None) == (new.purl is None) and (old.label, new.label) not in moves:
                yield _confusion(pair)
        else:
            sentence = f"The SBOM before was of {shown(old.label)}, this one is of {shown(new.label)}."
            yield Concern("name_changed", new.label, sentence, {"before": old.label, "now": new.label})
            return
    if _elsewhere(pair):
        yield _relocated(pair)
    if old.supplier and new.supplier != old.supplier:
        yield from _suppliers((pair,))
    order = versions.compare(new, old)
    if order is None:
        yield Concern(
            "version_incomparable", new.label, f"No order is known for the versions: {pair.sentence}.", _versions(pair)
        )
    elif order <= 0:
        if order == 0 and contradict(old, new):
            yield _rehashed(pair)
        why = "the same version again" if order == 0 else "a step back"
        yield Concern("version_not_newer", new.label, f"It is {why}: {pair.sentence}.", _versions(pair))
    if old.licences and old.licences != new.licences:
        yield from _summed("licence_changed", (pair,), "package has other licences")


def _confusions(moved: Iterable[Pair], moves: frozenset[tuple[str, str]]) -> Iterator[Concern]:
    """One concern for all that went the same way: a change of distribution moves every package."""
    by_way: dict[tuple[str, str, str, str], list[Pair]] = defaultdict(list)
    for pair in moved:
        if (pair.old.label, pair.new.label) not in moves:
            by_way[(*pair.old.identity[:2], *pair.new.identity[:2])].append(pair)
    for pairs in by_way.values():
        first = _confusion(pairs[0])
        if len(pairs) == 1:
            yield first
        else:
            names = [pair.new.name for pair in pairs]
            sentence = f"{len(pairs)} packages went the same way: {first.sentence}"
            yield Concern(
                first.kind, first.subject, sentence, {**first.details, "names": names[:MAX_NAMED], "count": len(pairs)}
            )


def _confusion(pair: Pair) -> Concern:
    sentence = (
        f"{shown(pair.new.name)} came from {shown(pair.old.label)} and now comes from {shown(pair.new.label)}: the name is the"
        " same, whoever owns it is not."
    )
    return Concern("namespace_changed", pair.new.label, sentence, {"before": pair.old.label, "now": pair.new.label})


def _relocated(pair: Pair) -> Concern:
    before, now = _places(pair.old), _places(pair.new)
    was, is_now = (shown(str(dict(place) or "the usual place")) for place in (before, now))
    sentence = f"{shown(pair.new.label)} came from {was}, now from {is_now}."
    return Concern("repository_changed", pair.new.label, sentence, {"before": before, "now": now})


def _rehashed(pair: Pair) -> Concern:
    before, now = _hashes(pair.old), _hashes(pair.new)
    sentence = f"{shown(pair.new.label)} has the same version {shown(pair.new.stated_version, 40)} and another hash than before."
    details = {"before": {k: sorted(v) for k, v in before.items()}, "now": {k: sorted(v) for k, v in now.items()}}
    return Concern("same_version_other_hash", pair.new.label, sentence, details)


def _suppliers(pairs: Iterable[Pair]) -> Iterator[Concern]:
    by_change: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for pair in pairs:
        by_change[(pair.old.supplier, pair.new.supplier)].append(pair)
    for (before, now), found in by_change.items():
        names = ", ".join(shown(pair.new.label, 60) for pair in found[:5]) + (" …" if len(found) > 5 else "")
        sentence = f"The supplier of {names} was {shown(before)!r} and now is {shown(now) or 'nobody'!r}."
        details = {"before": before, "now": now, "components": [pair.new.label for pair in found[:MAX_NAMED]]}
        yield Concern("supplier_changed", found[0].new.label, sentence, details)


def _summed(kind: str, pairs: tuple[Pair, ...], what: str) -> Iterator[Concern]:
    if pairs:
        names = "; ".join(pair.sentence for pair in pairs[:5]) + (" …" if len(pairs) > 5 else "")
        details = {"components": [pair.sentence for pair in pairs[:MAX_NAMED]], "count": len(pairs)}
        yield Concern(kind, pairs[0].new.label, f"{len(pairs)} {what}: {names}.", details)


def _listed(kind: str, components: tuple[Component, ...], what: str) -> Iterator[Concern]:
    if components:
        names = ", ".join(shown(item.label, 80) for item in components[:5]) + (" …" if len(components) > 5 else "")
        details = {"components": [item.label for item in components[:MAX_NAMED]], "count": len(components)}
        yield Concern(kind, components[0].label, f"{len(components)} {what}: {names}.", details)


def _versions(pair: Pair) -> dict[str, str]:
    return {"before": pair.old.stated_version, "now": pair.new.stated_version}


def _by_identity(components: Iterable[Component]) -> dict[Identity, list[Component]]:
    found: dict[Identity, list[Component]] = defaultdict(list)
    for component in components:
        found[component.identity].append(component)
    return dict(found)


def _paired(before: list[Component], now: list[Component]) -> Iterator[Pair]:
    """What stands once is one pair. Of several versions those that are still there pair up first, the rest by their order."""
    left = list(before)
    rest = []
    for new in now:
        same = next((old for old in left if old.stated_version == new.stated_version), None)
        if same is None:
            rest.append(new)
        else:
            left.remove(same)
            yield Pair(same, new)
    yield from (Pair(old, new) for old, new in zip(left, rest, strict=False))


def _moved(added: list[Component], removed: list[Component]) -> Iterator[Pair]:
    gone: dict[str, list[Component]] = defaultdict(list)
    for component in removed:
        gone[_bare(component)].append(component)
    for component in added:
        if found := gone.get(_bare(component)):
            # A removed component without a purl that gets one is better described, not moved.
            other = next((old for old in found if old.purl is not None and component.purl is not None), None)
            if other is None and (found[0].purl is None) == (component.purl is None):
                other = found[0]
            if other is not None:
                yield Pair(other, component)


def _same_name(old: Component, new: Component) -> bool:
    return _bare(old) == _bare(new)


def _bare(component: Component) -> str:
    return component.identity[2].lower()


def _elsewhere(pair: Pair) -> bool:
    """Only where both have a purl: one that is newly given is no move."""
    return pair.old.purl is not None and pair.new.purl is not None and _places(pair.old) != _places(pair.new)


def _places(component: Component) -> Mapping[str, str]:
    """Download and vcs addresses carry versions: only their hosts count."""
    assert component.purl is not None
    found = {key: value for key in _WHERE if (value := component.purl.qualifier(key))}
    return {key: value if key == "repository_url" else _host(value) for key, value in found.items()}


def _host(address: str) -> str:
    return address.partition("://")[2].partition("/")[0].rpartition("@")[2].lower()


def _hashes(component: Component) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for one in component.hashes:
        found[one.algorithm].add(one.value)
    return dict(found)


def counts(sbom: Sbom) -> dict[str, int]:
    """Components by ecosystem ('' where there is no purl)."""
    return dict(Counter(component.identity[0] for component in sbom.components))
