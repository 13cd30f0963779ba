"""The reports that hosts hand over, checked against include/schemas/reports/<phase>.schema.json."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from suture.policy.json_schema import Draft202012Validator
from suture.runner.interface import Phase
from suture.settings import PROJECT_ROOT

SCHEMAS = PROJECT_ROOT / "include" / "schemas" / "reports"
MAX_REPORT_BYTES = 8 * 1024 * 1024


@cache
def validator(phase: Phase) -> Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{phase.value}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def mistake_in(phase: Phase, report: Any) -> str | None:
    """Why the report cannot be used; None when it fits its schema."""
    try:
        size = len(json.dumps(report, allow_nan=False))
    except (TypeError, ValueError) as error:
        return f"its report is no JSON: {error}"
    if size > MAX_REPORT_BYTES:
        return f"its report is {size} bytes long, more than {MAX_REPORT_BYTES}"
    wrong = next(iter(validator(phase).iter_errors(report)), None)
    if wrong is None:
        return None
    where = ".".join(str(part) for part in wrong.absolute_path) or "the report"
    return f"its report does not fit the schema: {where}: {wrong.message[:300]}"
