"""The comparison of strategies as a chart: inline SVG, drawn from text alone.

One panel for each figure, one bar for each strategy, in the comparison's order; a bar's length is its share of the panel's
longest. Colours come from `currentColor` and from classes, so that the page's light and dark mode decide; the recommended
strategy's bars are filled, the others' are lighter, and its name carries a mark, so that nothing hangs on colour alone.
Every text is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

PANELS: tuple[tuple[str, str], ...] = (
    ("exposure_days", "Exposure (host-days)"),
    ("changes", "Changes"),
    ("reboots", "Reboots"),
    ("qa_hours", "QA hours"),
    ("regressions_expected", "Regressions expected"),
    ("total", "Total (points)"),
)
# _VALUE holds 1,234,567,890: a large group's exposure in a year, monthly.
_WIDTH, _PANEL, _LABELS, _ROW, _HEAD, _VALUE = 960, 320, 140, 18, 26, 86


def chart_data(comparison: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry a panel: {figure, title, bars: [{strategy, value, share, recommended}]}; share is 0 to 1 of the longest."""
    return [
        {"figure": figure, "title": title, "bars": _bars(comparison, figure)} for figure, title in PANELS
    ]  # fmt: skip


def comparison_svg(comparison: Mapping[str, Any]) -> str:
    """The chart of Comparison.as_json(), as an <svg> element. An empty comparison gives an empty chart that says so."""
    panels = chart_data(comparison)
    rows = len(panels[0]["bars"])
    height_of_panel = _HEAD + rows * _ROW + 14
    columns = _WIDTH // _PANEL
    height = -(-len(panels) // columns) * height_of_panel
    title = f"Strategies for {comparison.get('group', '')}: {comparison.get('recommended', '')} is recommended"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="strategy-chart" role="img" viewBox="0 0 {_WIDTH} {height}"'
        f' width="100%" fill="currentColor" font-size="11"><title>{_safe(title)}</title>'
    ]
    if not rows:
        parts.append('<text x="4" y="14">No strategy was compared.</text>')
    for number, panel in enumerate(panels if rows else ()):
        x, y = number % columns * _PANEL, number // columns * height_of_panel
        parts.append(f'<g class="panel" transform="translate({x} {y})">{_panel(panel)}</g>')
    return "".join([*parts, "</svg>"])


def panel_svgs(comparison: Mapping[str, Any]) -> list[str]:
    """The same chart as an <svg> for each figure, for a page that puts as many beside one another as its width holds."""
    panels = chart_data(comparison)
    rows = len(panels[0]["bars"])
    if not rows:
        return [comparison_svg(comparison)]
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="strategy-chart panel" role="img"'
        f' viewBox="0 0 {_PANEL} {_HEAD + rows * _ROW + 4}" width="100%" fill="currentColor" font-size="11">'
        f"<title>{_safe(panel['title'])} of each strategy for {_safe(comparison.get('group', ''))}</title>{_panel(panel)}</svg>"
        for panel in panels
    ]


def _bars(comparison: Mapping[str, Any], figure: str) -> list[dict[str, Any]]:
    outcomes: Sequence[Mapping[str, Any]] = comparison.get("outcomes", ())
    longest = max((float(outcome[figure]) for outcome in outcomes), default=0.0)
    return [
        {
            "strategy": outcome["strategy"],
            "value": float(outcome[figure]),
            "share": float(outcome[figure]) / longest if longest > 0 else 0.0,
            "recommended": outcome["strategy"] == comparison.get("recommended"),
        }
        for outcome in outcomes
    ]


def _panel(panel: Mapping[str, Any]) -> str:
    room = _PANEL - _LABELS - _VALUE
    parts = [f'<text class="panel-title" x="0" y="14" font-weight="bold">{_safe(panel["title"])}</text>']
    for number, bar in enumerate(panel["bars"]):
        y = _HEAD + number * _ROW
        width = round(max(bar["share"], 0.0) * room, 1)
        chosen = bar["recommended"]
        name = f"{'► ' if chosen else ''}{bar['strategy']}".replace("_", " ")
        parts.append(
            f'<g class="{"bar recommended" if chosen else "bar"}">'
            f'<text x="{_LABELS - 6}" y="{y + 11}" text-anchor="end">{_safe(name[:26])}</text>'
            f'<rect x="{_LABELS}" y="{y + 2}" width="{width}" height="{_ROW - 6}" fill-opacity="{0.85 if chosen else 0.35}"/>'
            f'<text x="{_LABELS + width + 4}" y="{y + 11}">{_number(bar["value"])}</text></g>'
        )
    return "".join(parts)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:,.1f}"


def _safe(text: Any) -> str:
    """Escaped, and without the characters that XML 1.0 does not allow."""
    return escape("".join(c if c.isprintable() else "�" for c in str(text)), quote=True)
