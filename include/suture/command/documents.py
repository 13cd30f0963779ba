"""Documents that are drawn from the code, so that they cannot disagree with it: `./suture docs`.

Each function gives a document's whole text. Nothing here depends on the clock, the machine or the Python version.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from suture.command.feed_documents import NOTE, feed_documents
from suture.errors import BadInputError
from suture.settings import PROJECT_ROOT

CAPABILITY_COUNT = 48
STATUSES = {"there": "✔ there", "begun": "◐ begun", "not yet": "– not yet"}


def documents(root: Path = PROJECT_ROOT) -> dict[Path, str]:
    """Every generated document: its path and its text."""
    return {
        root / "docs" / "STATES.md": states(),
        root / "docs" / "DAGS.md": dags(root / "dags"),
        root / "docs" / "CAPABILITIES.md": capabilities(root / "docs" / "capabilities.yaml", root),
        root / "docs" / "VERBS.md": verbs(),
        **feed_documents(root),
    }


def states() -> str:
    """The lifecycle as a picture and a table."""
    from suture.campaign import CampaignState
    from suture.campaign.guidance import DAG_OF, NEXT_STEP
    from suture.campaign.lifecycle import FIRST_STATE, LAWFUL, MEANING, TERMINAL

    lines = [
        "# The states of a campaign\n",
        "The table is `include/suture/campaign/lifecycle.py`; what it does not list cannot happen. Every move is a",
        "compare-and-set in the warehouse that also writes evidence.\n",
        "```mermaid\nstateDiagram-v2",
        f"    [*] --> {FIRST_STATE.value}",
        *(
            f"    {state.value} --> {after.value}"
            for state in CampaignState
            for after in CampaignState
            if after in LAWFUL[state]
        ),
        *(f"    {state.value} --> [*]" for state in CampaignState if state in TERMINAL),
        "```\n",
        "| State | What it means | What comes next | DAG | Lawful moves |",
        "|---|---|---|---|---|",
    ]
    for state in CampaignState:
        after = ", ".join(other.value for other in CampaignState if other in LAWFUL[state]) or "none"
        dag = f"`{DAG_OF[state]}`" if DAG_OF[state] else "–"
        lines.append(f"| **{state.value}** | {MEANING[state]} | {NEXT_STEP[state]} | {dag} | {after} |")
    return NOTE + "\n".join([*lines, *_case_states()]) + "\n"


def _case_states() -> list[str]:
    from suture.sourcing.cases.states import LAWFUL, MEANING, CaseState

    lines = [
        "\n# The states of a vendor case\n",
        "The table is `include/suture/sourcing/cases/states.py`.\n",
        "| State | What it means | Lawful moves |",
        "|---|---|---|",
    ]
    for state in CaseState:
        after = ", ".join(other.value for other in CaseState if other in LAWFUL[state]) or "none"
        lines.append(f"| **{state.value}** | {MEANING[state]} | {after} |")
    return lines


def dags(folder: Path) -> str:
    """Each DAG's own page, as the UI shows it, read without importing it."""
    found = [(path.stem, *_dag_facts(path)) for path in sorted(folder.glob("*.py"))]
    contents = [f"- [`{name}`](#{name}): {_heading(text)}" for name, text, _schedule in found]
    pages = [f"## {name}\n\n{_without_heading(text)}\n\n**Schedule** `{schedule}`\n" for name, text, schedule in found]
    head = "# The DAGs\n\nEach is one file in `dags/`; this text is also its page in the UI.\n\n"
    return NOTE + head + "\n".join(contents) + "\n\n" + "\n".join(pages)


def capabilities(data: Path, root: Path) -> str:
    """The mission's lines with their status. Raises BadInputError for a proof that does not exist or a line too few."""
    import yaml

    modules = yaml.safe_load(data.read_text("utf-8"))["modules"]
    lines = [line for module in modules for line in module["lines"]]
    _check_capabilities(lines, root)
    counts = {status: sum(line["status"] == status for line in lines) for status in STATUSES}
    out = [
        "# The 48 capabilities\n",
        "*There*: its proof is a test that a fake would fail. *Begun*: real, but not the whole line. Of 48: "
        + ", ".join(f"{count} {status}" for status, count in counts.items())
        + ".\n",
    ]
    for number, module in enumerate(modules, start=1):
        out += [
            f"## Module {number}: {module['title']}\n",
            "| | Line | Status | What works | Proof |",
            "|---|---|---|---|---|",
        ]
        for line in module["lines"]:
            proof = "<br>".join(f"[{path}](../{path})" for path in line.get("proof", []))
            status = STATUSES[line["status"]]
            out.append(f"| {line['id']} | {line['line']} | {status} | {line.get('what', '')} | {proof} |")
        out.append("")
    return NOTE + "\n".join(out)


def verbs() -> str:
    """Every verb with its arguments, from argparse's own tables (its help text differs from Python to Python)."""
    from suture.command.main import DESCRIPTION, EPILOG, GROUPS, OTHERS, build_parser

    parser = build_parser()
    parsers = dict(_subparsers(parser))
    grouped = {verb for group in GROUPS.values() for verb in group}
    groups = {**GROUPS, OTHERS: tuple(sorted(set(parsers) - grouped))}
    out = ["# The verbs\n", f"{DESCRIPTION}\n", f"```\n{EPILOG}\n```\n"]
    for title, names in groups.items():
        present = [name for name in names if name in parsers]
        if present:
            out.append(f"## {title}\n")
        for name in present:
            out += _verb(f"./suture {name}", parsers[name][0], parsers[name][1])
    return NOTE + "\n".join(out)


def _verb(name: str, parser: argparse.ArgumentParser, help_line: str) -> list[str]:
    below = dict(_subparsers(parser))
    out = [f"### {name}\n", f"{_escaped(parser.description or help_line)}\n"]
    rows = [_argument(action) for action in parser._actions if _is_shown(action)]
    if rows:
        out += ["| Argument | |", "|---|---|", *rows, ""]
    for child, (child_parser, child_help) in below.items():
        out += _verb(f"{name} {child}", child_parser, child_help)
    return out


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[str, tuple[argparse.ArgumentParser, str]]]:
    # argparse has no public way to ask for the sub-commands (seen in 3.11 to 3.13).
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                yield name, (child, helps.get(name, ""))


def _is_shown(action: argparse.Action) -> bool:
    hidden = isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
    return not hidden and action.help is not argparse.SUPPRESS


def _argument(action: argparse.Action) -> str:
    names = ", ".join(action.option_strings) or str(action.metavar or action.dest)
    takes = "" if action.nargs == 0 or not action.option_strings else f" {_taken(action)}"
    text = action.help or ""
    if action.choices is not None and not action.option_strings:
        text = f"{text} ({', '.join(map(str, action.choices))})".strip()
    text = text % vars(action) if "%(" in text else text.replace("%%", "%")
    return f"| `{names}{takes}` | {_escaped(text)} |"


def _taken(action: argparse.Action) -> str:
    if action.choices is not None:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return str(action.metavar or action.dest.upper())


def _dag_facts(path: Path) -> tuple[str, str]:
    tree = ast.parse(path.read_text("utf-8"))
    text = ast.get_docstring(tree)
    if not text:
        raise BadInputError(f"dags/{path.name} has no docstring: its page in the UI would be empty.")
    schedules = [
        ast.unparse(keyword.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("dag", "DAG")
        for keyword in node.keywords
        if keyword.arg == "schedule"
    ]
    return text, schedules[0] if schedules else "None: started by people"


def _heading(text: str) -> str:
    return text.strip().splitlines()[0].lstrip("# ").strip()


def _without_heading(text: str) -> str:
    first, _, rest = text.strip().partition("\n")
    return f"**{first.lstrip('# ').strip()}**\n{rest}".strip()


def _check_capabilities(lines: Sequence[Mapping[str, Any]], root: Path) -> None:
    if len(lines) != CAPABILITY_COUNT or len({line["id"] for line in lines}) != CAPABILITY_COUNT:
        raise BadInputError(f"docs/capabilities.yaml has {len(lines)} lines; the mission has {CAPABILITY_COUNT}.")
    for line in lines:
        proofs = line.get("proof", [])
        if line["status"] not in STATUSES:
            raise BadInputError(f"docs/capabilities.yaml: {line['id']} has no status of {', '.join(STATUSES)}.")
        if line["status"] == "there" and not any(path.startswith("tests/") for path in proofs):
            raise BadInputError(f"docs/capabilities.yaml: {line['id']} is said to be there, and no test proves it.")
        for path in proofs:
            if not (root / path).exists():
                raise BadInputError(f"docs/capabilities.yaml: the proof of {line['id']} is missing: {path}.")


def _escaped(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
