"""What the organisation decides, as data: YAML files checked against a JSON Schema before anything acts on them."""

from suture.policy.loader import LocatedPolicy, PolicyError, load, load_located, load_text

__all__ = ["LocatedPolicy", "PolicyError", "load", "load_located", "load_text"]
