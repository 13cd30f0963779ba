"""The root of every error that Suture raises on purpose.

A SutureError's text is for the person who has to act: what happened, to what, why, and what to do next. The command
prints it as it is; the Airflow adapters translate it once, by `retryable`.
"""

from __future__ import annotations


class SutureError(Exception):
    """What happened (`message`) and what to do about it (`remedy`, None when there is nothing to add).

    `retryable` tells an adapter whether trying again may help (a lost connection) or not (a bad policy).
    """

    retryable: bool = False

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}" if self.remedy else self.message


class BadInputError(SutureError):
    """The caller's input cannot be used: the message names the input and the reason. Exit status 2 on the command."""
