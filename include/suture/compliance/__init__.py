"""Compliance: what was done, shown to those who were not there, in reports, timelines and overviews."""

from suture.compliance.report import ReportFiles, write_fleet_report, write_report

__all__ = ["ReportFiles", "write_fleet_report", "write_report"]
