"""The product tree of a CSAF 2.0 document: what a product id stands for (OASIS CSAF 2.0, 3.2.2).

The rules:

1. An id is defined once; one that is defined twice, or used and never defined, is named, and says nothing.
2. A relationship's product is its component on its platform: the package comes from the component, the release from the
   platform. Chains are followed, circles are refused (CSAF 2.0, 6.1.3).
3. A package is known by its purl only; a CPE gives the release. A name alone matches nothing and is kept as text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from suture.feeds.outside_text import line
from suture.feeds.package_names import Part, UnknownEcosystemError, part_of, red_hat_release

MAX_PRODUCTS, _MAX_DEPTH = 100_000, 40


class Helper(msgspec.Struct):
    cpe: str | None = None
    purl: str | None = None


class FullName(msgspec.Struct):
    product_id: str
    name: str
    product_identification_helper: Helper | None = None


class Branch(msgspec.Struct):
    category: str
    name: str
    branches: list[Branch] = msgspec.field(default_factory=list)
    product: FullName | None = None


class Relationship(msgspec.Struct):
    category: str
    product_reference: str
    relates_to_product_reference: str
    full_product_name: FullName


class Tree(msgspec.Struct):
    branches: list[Branch] = msgspec.field(default_factory=list)
    full_product_names: list[FullName] = msgspec.field(default_factory=list)
    relationships: list[Relationship] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class Product:
    """name: as a person reads it; shown: purl, else CPE, else name; part: the package, None when none is known;
    codename: the release that the platform or the purl names, '' for none."""

    product_id: str
    name: str
    shown: str
    part: Part | None
    codename: str


class Products:
    """All products of a document by their id. faults: what of the tree could not be read."""

    def __init__(self, tree: Tree | None) -> None:
        self.faults: list[str] = []
        self._names: dict[str, FullName] = {}
        self._relations: dict[str, Relationship] = {}
        if tree is not None:
            self._read(tree)

    def _read(self, tree: Tree) -> None:
        relations = [(found.full_product_name, found) for found in tree.relationships]
        plain: list[tuple[FullName, Relationship | None]] = [
            (name, None) for name in (*_leaves(tree.branches, 0), *tree.full_product_names)
        ]
        for name, relation in [*plain, *relations]:
            if len(self._names) >= MAX_PRODUCTS:
                raise ValueError(f"product_tree: more than {MAX_PRODUCTS} products")
            if name.product_id in self._names:
                self.faults.append(f"product_tree: the product id {name.product_id[:80]!r} is defined twice")
                continue
            self._names[name.product_id] = name
            if relation is not None:
                self._relations[name.product_id] = relation

    def find(self, product_id: str) -> Product:
        """Raises ValueError for an id that is not defined, a circle, or a purl that cannot be read."""
        name = self._names.get(product_id)
        if name is None:
            raise ValueError(f"the product id {product_id[:80]!r} is not defined")
        component, platforms = self._resolved(product_id, ())
        helpers = [helper for found in (name, component) if (helper := found.product_identification_helper)]
        purl = next((helper.purl for helper in helpers if helper.purl), None)
        cpes = [
            helper.cpe
            for found in (*platforms, name, component)
            if (helper := found.product_identification_helper) and helper.cpe
        ]
        part = _part(purl) if purl else None
        release = next((found for found in map(red_hat_release, cpes) if found), "")
        return Product(
            product_id=line(product_id, 300),
            name=line(name.name, 500),
            shown=line(purl or next(iter(cpes), None) or name.name, 1000),
            part=part,
            codename=release or (part.codename if part else ""),
        )

    def _resolved(self, product_id: str, path: tuple[str, ...]) -> tuple[FullName, list[FullName]]:
        """The innermost component, and the platforms that it stands on."""
        if product_id in path or len(path) > _MAX_DEPTH:
            raise ValueError(f"the product id {product_id[:80]!r} is defined by itself")
        if product_id not in self._names:
            raise ValueError(f"the product id {product_id[:80]!r} is not defined")
        relation = self._relations.get(product_id)
        if relation is None:
            return self._names[product_id], []
        path = (*path, product_id)
        component, platforms = self._resolved(relation.product_reference, path)
        base, below = self._resolved(relation.relates_to_product_reference, path)
        return component, [base, *below, *platforms]


def _leaves(branches: list[Branch], depth: int) -> Iterator[FullName]:
    if depth > _MAX_DEPTH:
        raise ValueError(f"product_tree: branches more than {_MAX_DEPTH} deep")
    for branch in branches:
        if branch.product is not None:
            yield branch.product
        yield from _leaves(branch.branches, depth + 1)


def _part(purl: str) -> Part | None:
    try:
        return part_of(purl)
    except UnknownEcosystemError:
        return None


def remediated(remediations: list[Any], product_id: str) -> tuple[set[str], str | None]:
    """(categories, text) of the remediations that name the product; one that names none is for all."""
    found = [
        one for one in remediations if product_id in one.product_ids or not (one.product_ids or one.group_ids)
    ]  # fmt: skip
    texts = list(dict.fromkeys(f"{one.category}: {one.details}" for one in found))
    return {one.category for one in found}, "\n".join(texts) or None
