"""The report: what became integer, what it costs layer by layer and why, and what would help."""

from .make import make_report
from .report import Report
from .rows import Row
from .verdict import Gain, Verdict

__all__ = ["Gain", "Report", "Row", "Verdict", "make_report"]
