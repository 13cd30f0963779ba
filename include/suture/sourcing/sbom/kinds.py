"""The closed set of what the examiner `sbom` may find, and what each means."""

from __future__ import annotations

from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "not_examined": "The process that read it died, ran too long, or answered nonsense.",
    # the document
    "malformed": "The document is broken, ambiguous or hostile, and was not read.",
    "unsupported": "The document is of a format or version that is not read here.",
    "too_large": "The document is beyond the limits, and was not read.",
    "sbom_missing": "Policy demands an SBOM, and none was found.",
    "sbom_gone": "The version before came with an SBOM, this one comes without.",
    "sbom_reissued": "Another SBOM than the one that was accepted with the same version of the package.",
    "schema_violation": "The document does not fit the schema of its own format.",
    "schema_unchecked": "The document was too large for the library that checks SPDX; it was read all the same.",
    "control_character": "A text holds control characters, or such as turn the direction of writing.",
    "serial_malformed": "The serial number is not what its format asks for.",
    "duplicate_ref": "Two components have the same ref: what is said of one may be meant for the other.",
    "dangling_reference": "Something refers to a component that is not there.",
    "dependency_cycle": "Components depend on one another in a ring.",
    "purl_malformed": "A package URL breaks the rules of ECMA-427.",
    "purl_contradicts": "A package URL and the component's own name or version say different things.",
    "root_missing": "The document does not say what it is about.",
    "identity_mismatch": "The document is about another package or version than the one that was examined.",
    # hashes
    "hash_mismatch": "A file's hash is not the one that the SBOM gives.",
    "hash_malformed": "A hash has the wrong length for its algorithm, or is not hexadecimal.",
    "hash_weak": "Only MD5, SHA-1 or other weak hashes are given.",
    "hash_missing": "The SBOM gives no hash for what was to be compared.",
    "file_missing": "The SBOM lists a file that the artefact does not hold.",
    "file_unlisted": "The artefact holds files that an SBOM with a list of files does not name.",
    "artifact_unreadable": "The artefact could not be looked into, or only in part.",
    # against the SBOM before
    "no_predecessor": "No earlier SBOM is known: lineage was not compared.",
    "namespace_changed": "A package of the same name now comes from another namespace or ecosystem (dependency confusion).",
    "repository_changed": "A package's purl names another repository than before.",
    "name_changed": "The document is about a package of another name than the one before.",
    "supplier_changed": "Another supplier than before.",
    "version_not_newer": "The version is not strictly newer than the one before.",
    "version_incomparable": "No order is known for the two versions.",
    "downgraded": "A component went back to an older version.",
    "same_version_other_hash": "The same version has another hash than before.",
    "licence_changed": "Other licences than before, in the same package.",
    "component_added": "Components that were not there before.",
    "component_removed": "Components that are gone.",
    "component_changed": "Components with another version than before.",
    # names
    "lookalike_name": "A new name that looks like a known one.",
    # provenance
    "provenance_missing": "Policy demands proven provenance, and there is none.",
    "provenance_malformed": "An attestation cannot be read.",
    "provenance_mismatch": "An attestation is for another artefact, builder or source repository.",
    "provenance_signature_invalid": "No pinned key or identity signed the attestation.",
    "provenance_unverified": "An attestation's signature could not be checked: no key or trusted root was given.",
}  # fmt: skip

# Where several concerns refuse, the reason that is given: the first of these.
REASONS = (
    "malformed", "unsupported", "too_large", "sbom_missing", "hash_mismatch", "same_version_other_hash", "provenance_mismatch",
    "provenance_signature_invalid", "provenance_malformed", "provenance_missing", "namespace_changed", "repository_changed",
    "lookalike_name", "version_not_newer", "downgraded",
)  # fmt: skip
