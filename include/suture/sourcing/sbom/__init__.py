"""Bills of materials: CycloneDX and SPDX read into one model, compared with their artefacts, their predecessors and their makers."""
