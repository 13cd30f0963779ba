"""What a feed's format is: its decoder, the tables that it fills, and ways of its own to fetch a copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from suture.feeds.decoded import Decoder

# (store, source, last accepted snapshot or None, now, sleep) -> suture.feeds.accept.Copy, as in sync.py
Transport = Callable[..., Any]
# (source, now) -> what is asked of each file that is loaded by hand, (its path, its bytes): raises ValueError with the reason
# why it is not proven
FileProof = Callable[..., Callable[[str, bytes], None]]


@dataclass(frozen=True)
class FeedFormat:
    """tables: which rows it gives. complete: each copy holds everything, so what it no longer names is gone.

    main_table: the one whose rows are counted. transports: names of transports of its own → what fetches by them.
    scorers: whose CVSS claims its rows replace (cna, adp, nvd, vendor). file_proof: None: files prove nothing of themselves.
    """

    name: str
    decode: Decoder
    tables: tuple[str, ...]
    complete: bool
    main_table: str = ""
    transports: Mapping[str, Transport] = field(default_factory=dict)
    scorers: tuple[str, ...] = ()
    file_proof: FileProof | None = None
