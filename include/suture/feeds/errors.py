"""What can be wrong with a feed. None of it ever costs the data that was good before."""

from __future__ import annotations

from suture.errors import BadInputError, SutureError


class FeedError(SutureError):
    """A feed could not be used."""


class FeedUnreachableError(FeedError):
    """No answer, or not one that says what was asked for. Trying again may help."""

    retryable = True


class FeedRefusedError(FeedError):
    """What was asked for, or what came, is not allowed: address, size, redirect, content type."""


class FeedFormatError(FeedError, BadInputError):
    """The document is not in the feed's format: truncated, another document, malformed. `where` names the document."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}.")
        self.where = where
        self.why = why


class StaleFeedError(FeedError):
    """A feed that decisions rest on is older than policy allows."""

    retryable = True
