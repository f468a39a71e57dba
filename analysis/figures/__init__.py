"""The figures of a report: small panels as SVG, each with the numbers that it draws."""

from __future__ import annotations

from analysis.figures.panels import Panel, study_panels

__all__ = ["Panel", "study_panels"]
