"""The proof on staging: tests that fail before a patch and pass after it, and functions that never fail."""

from suture.staging.test_plan import Stage, TestOutcome, TestPlanError, run_test_plan

__all__ = ["Stage", "TestOutcome", "TestPlanError", "run_test_plan"]
