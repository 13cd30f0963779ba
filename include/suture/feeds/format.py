"""What a feed's format is: its decoder, the tables that it fills, and ways of its own to fetch a copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from suture.feeds.decoded import Decoder

# (store, source, last accepted snapshot or None, now, sleep) -> suture.feeds.accept.Copy, as in sync.py
Transport = Callable[..., Any]


@dataclass(frozen=True)
class FeedFormat:
    """tables: which rows it gives. complete: each copy holds everything, so what it no longer names is gone.

    main_table: the one whose rows are counted. transports: names of transports of its own → what fetches by them.
    scorers: whose CVSS claims its rows replace (cna, adp, nvd, vendor).
    """

    name: str
    decode: Decoder
    tables: tuple[str, ...]
    complete: bool
    main_table: str = ""
    transports: Mapping[str, Transport] = field(default_factory=dict)
    scorers: tuple[str, ...] = ()
