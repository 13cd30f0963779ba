"""The CVE record format 5 as types that name every field of it, for a reader that wants to know that it saw all there was.

Written anew from these types, a record loses each key that is not named here, and of a key that stands twice the first.
So when nothing was lost, nothing stood twice (`cve_rows`). The values that are not used are of plain types only: what fits
these types is nested less than twenty deep, except below `x_legacyV4Record`.

Optional fields are left out when they are written anew, also where the record says null. Such a record, and one with a
field that is not named here, is read the longer way; nothing else depends on this list being complete.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

Status = Literal["affected", "unaffected", "unknown"]
Scalar = str | int | float | bool | None
Plain = dict[str, Scalar | list[Scalar]]


class _Shape(msgspec.Struct, omit_defaults=True, gc=False):
    pass


class Metadata(_Shape):
    cveId: str  # noqa: N815 - the format's own names, here and below
    state: str
    assignerOrgId: Scalar = None  # noqa: N815
    assignerShortName: str = ""  # noqa: N815
    dateReserved: Scalar = None  # noqa: N815
    datePublished: str | None = None  # noqa: N815
    dateUpdated: str | None = None  # noqa: N815
    dateRejected: Scalar = None  # noqa: N815
    requesterUserId: Scalar = None  # noqa: N815
    serial: Scalar = None


class Provider(_Shape):
    orgId: Scalar = None  # noqa: N815
    shortName: str = ""  # noqa: N815
    dateUpdated: str | None = None  # noqa: N815
    x_subShortName: Scalar = None  # noqa: N815


class Text(_Shape):
    lang: Scalar = None
    value: Scalar = None
    supportingMedia: list[Plain] | None = None  # noqa: N815
    time: Scalar = None
    type: Scalar = None
    user: Scalar = None


class Change(_Shape):
    at: str
    status: Status


class Version(_Shape):
    """In the order of `affected.read`: written in JSON, a list of them is a row's `versions`."""

    version: str
    status: Status
    lessThan: str | None = None  # noqa: N815
    lessThanOrEqual: str | None = None  # noqa: N815
    versionType: str | None = None  # noqa: N815
    changes: list[Change] | None = None


class Affected(_Shape):
    vendor: str | None = None
    product: str | None = None
    defaultStatus: Status | None = None  # noqa: N815
    versions: list[Version] | None = None
    cpes: list[Scalar] | None = None
    packageName: str | None = None  # noqa: N815
    packageURL: Scalar = None  # noqa: N815
    collectionURL: str | None = None  # noqa: N815
    repo: Scalar = None
    platforms: list[Scalar] | None = None
    modules: list[Scalar] | None = None
    programFiles: list[Scalar] | None = None  # noqa: N815
    programRoutines: list[Plain] | None = None  # noqa: N815


class ProblemDescription(_Shape):
    cweId: str | None = None  # noqa: N815
    lang: Scalar = None
    type: Scalar = None
    description: Scalar = None
    references: list[Plain] | None = None


class ProblemType(_Shape):
    descriptions: list[ProblemDescription] | UnsetType = UNSET


class Reference(_Shape):
    url: Scalar = None
    name: Scalar = None
    tags: list[Scalar] | None = None


class Metric(_Shape):
    format: Scalar = None
    scenarios: list[Plain] | None = None
    cvssV4_0: dict[str, Scalar] | None = None  # noqa: N815
    cvssV3_1: dict[str, Scalar] | None = None  # noqa: N815
    cvssV3_0: dict[str, Scalar] | None = None  # noqa: N815
    cvssV2_0: dict[str, Scalar] | None = None  # noqa: N815
    other: dict[str, Scalar | dict[str, Scalar | list[Scalar | dict[str, Scalar]]]] | None = None


class Impact(_Shape):
    capecId: Scalar = None  # noqa: N815
    descriptions: list[Text] | None = None


class Container(_Shape):
    # Unset, not an empty Provider: that would be written anew where the record has none, and make up for a key that is lost.
    providerMetadata: Provider | UnsetType = UNSET  # noqa: N815
    title: str | None = None
    descriptions: list[Text] | None = None
    affected: list[Affected] | None = None
    problemTypes: list[ProblemType] | UnsetType = UNSET  # noqa: N815
    references: list[Reference] | None = None
    metrics: list[Metric] | UnsetType = UNSET
    source: Plain | None = None
    x_generator: Plain | None = None
    datePublic: Scalar = None  # noqa: N815
    dateAssigned: Scalar = None  # noqa: N815
    impacts: list[Impact] | None = None
    credits: list[Text] | None = None
    timeline: list[Text] | None = None
    solutions: list[Text] | None = None
    workarounds: list[Text] | None = None
    exploits: list[Text] | None = None
    configurations: list[Text] | None = None
    rejectedReasons: list[Text] | None = None  # noqa: N815
    replacedBy: list[Scalar] | None = None  # noqa: N815
    tags: list[Scalar] | None = None
    taxonomyMappings: list[dict[str, Scalar | list[Plain]]] | None = None  # noqa: N815
    cpeApplicability: list[dict[str, Scalar | list[dict[str, Scalar | list[Plain]]]]] | None = None  # noqa: N815
    x_legacyV4Record: Any = None  # noqa: N815


class Containers(_Shape):
    cna: Container
    adp: list[Container] | UnsetType = UNSET


class Record(_Shape):
    dataType: str  # noqa: N815
    dataVersion: str  # noqa: N815
    cveMetadata: Metadata  # noqa: N815
    containers: Containers
