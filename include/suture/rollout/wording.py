"""How the rollout room says times and shares in its sentences."""

from __future__ import annotations

from datetime import timedelta


def spoken(span: timedelta) -> str:
    """'4 h 05 min', '20 min', '1 min 30 s', '45 s'; days from 48 hours on ('3 d 02 h')."""
    seconds = round(span.total_seconds())
    if seconds < 0:
        return f"-{spoken(-span)}"
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24:02d} h"
    if hours:
        return f"{hours} h {minutes:02d} min"
    if minutes:
        return f"{minutes} min" + (f" {seconds:02d} s" if seconds else "")
    return f"{seconds} s"


def percent(share: float) -> str:
    """'4.17 %', '0.00 %', '100 %': two digits below ten per cent, one below a hundred."""
    value = share * 100
    digits = 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f} %"
