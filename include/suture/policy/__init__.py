"""What the organisation decides, as data: YAML files checked against a JSON Schema before anything acts on them."""

from suture.policy.loader import PolicyError, load, load_text

__all__ = ["PolicyError", "load", "load_text"]
