"""One module per verb (or family of verbs), found by name. Each offers `register(subparsers) -> None`."""
