"""What can go wrong with the practice fleet. Each message says what happened and what to do next."""

from __future__ import annotations

from suture.errors import SutureError


class LabError(SutureError):
    """The practice fleet could not do what was asked."""


class MachineUnfitError(LabError):
    """This machine cannot host the fleet as it is; nothing was changed."""


class BuildError(LabError):
    """The hosts' file system could not be built."""


class UnknownHostError(LabError):
    """The fleet has no host of that name."""
