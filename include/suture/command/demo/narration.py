"""What the demo prints: stage headings, facts, and where to look in the UI. Progress to the person at the terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
import time
from dataclasses import dataclass, field


@dataclass
class Narrator:
    """Prints with the time since the demo's start; colours only where the terminal has them."""

    started_at: float = field(default_factory=time.monotonic)
    colours: bool = field(default_factory=lambda: sys.stdout.isatty())
    stages: list[tuple[str, float]] = field(default_factory=list)

    def stage(self, title: str) -> None:
        self.stages.append((title, time.monotonic()))
        print(f"\n{self._paint('1', f'▸ {title}')}  {self._paint('2', self._clock())}", flush=True)

    def say(self, text: str) -> None:
        width = min(shutil.get_terminal_size((100, 24)).columns, 110)
        print(textwrap.fill(text, width, initial_indent="    ", subsequent_indent="    "), flush=True)

    def fact(self, text: str) -> None:
        """One line that is not wrapped: addresses, versions, tables."""
        print(f"    {text}", flush=True)

    def look(self, what: str, url: str) -> None:
        print(f"    {self._paint('36', '→')} {what}: {url}", flush=True)

    def durations(self) -> list[tuple[str, float]]:
        """Each stage's title and how long it took, in seconds, up to now for the last."""
        ends = [start for _title, start in self.stages[1:]] + [time.monotonic()]
        return [(title, end - start) for (title, start), end in zip(self.stages, ends, strict=True)]

    def _clock(self) -> str:
        elapsed_s = int(time.monotonic() - self.started_at)
        return f"[{elapsed_s // 60}:{elapsed_s % 60:02d}]"

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colours else text
