"""The register of vendors (vendors.yaml): whom to ask, how, and by when they owe an answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from suture import policy
from suture.errors import BadInputError

DESK, MANUAL = "desk", "manual"


@dataclass(frozen=True)
class CveProduct:
    """A product as CVE records name it. product None: all of that vendor's."""

    vendor: str
    product: str | None


@dataclass(frozen=True)
class Vendor:
    """hotfix_source None: the vendor gives no hotfixes that Suture could take in. lab: http on loopback is allowed."""

    name: str
    title: str
    products: tuple[str, ...]
    contact_kind: str
    contact_address: str
    acknowledge_within: timedelta
    fix_within: timedelta
    hotfix_source: str | None = None
    regular_sources: tuple[str, ...] = ()
    lab: bool = False
    cve_products: tuple[CveProduct, ...] = ()

    def makes(self, source_package: str) -> bool:
        return any(fnmatchcase(source_package, pattern) for pattern in self.products)


@dataclass(frozen=True)
class VendorRegister:
    may_open: frozenset[str]
    window: str
    vendors: tuple[Vendor, ...]

    @classmethod
    def load(cls, policy_dir: Path) -> VendorRegister:
        """Read vendors.yaml. Raises PolicyError, also for two vendors of one name and for a desk that is not https."""
        path = policy_dir / "vendors.yaml"
        found = policy.load(path, "vendors")
        vendors = tuple(_vendor(entry) for entry in found["vendors"])
        names = [vendor.name for vendor in vendors]
        mistakes = [
            f"{path.name}: two vendors are called {name!r}."
            for name in sorted({n for n in names if names.count(n) > 1})
        ]
        mistakes += [f"{path.name}: {problem}" for vendor in vendors if (problem := _desk_problem(vendor))]
        if mistakes:
            raise policy.PolicyError(str(path), mistakes)
        return cls(frozenset(found["may_open"]), found["window"], vendors)

    def of_product(self, source_package: str) -> Vendor:
        """The first vendor that names it. Raises BadInputError."""
        for vendor in self.vendors:
            if vendor.makes(source_package):
                return vendor
        raise BadInputError(
            f"No vendor of vendors.yaml makes {source_package!r}.",
            remedy="Add the vendor, or name another source package.",
        )

    def vendor(self, name: str) -> Vendor:
        for vendor in self.vendors:
            if vendor.name == name:
                return vendor
        raise BadInputError(
            f"vendors.yaml knows no vendor {name!r}.", remedy=f"It knows {', '.join(v.name for v in self.vendors)}."
        )


def _vendor(entry: Mapping[str, Any]) -> Vendor:
    return Vendor(
        name=entry["name"],
        title=entry["title"],
        products=tuple(entry["products"]),
        contact_kind=entry["contact"]["kind"],
        contact_address=entry["contact"]["address"],
        acknowledge_within=timedelta(hours=entry["acknowledge_within_hours"]),
        fix_within=timedelta(hours=entry["fix_within_hours"]),
        hotfix_source=entry.get("hotfix_source"),
        regular_sources=tuple(entry.get("regular_sources", ())),
        lab=bool(entry["contact"].get("lab", False)),
        cve_products=tuple(CveProduct(found["vendor"], found.get("product")) for found in entry.get("cve_products", ())),
    )


def _desk_problem(vendor: Vendor) -> str | None:
    if vendor.contact_kind != DESK:
        return None
    url = urlsplit(vendor.contact_address)
    if url.username or url.password:
        return f"the desk of {vendor.name!r} has a password in its address; secrets belong into secrets/vendor_{vendor.name}.token."
    if url.scheme == "https" and url.hostname:
        return None
    if vendor.lab and url.scheme == "http" and url.hostname in ("127.0.0.1", "localhost"):
        return None
    return f"the desk of {vendor.name!r} is not at an https address: what is under embargo is not sent in the open."
