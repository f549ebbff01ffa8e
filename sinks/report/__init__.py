"""The report of a migration: what was decided, on what evidence, in words, numbers and plots."""

from dualgate.sinks.report.page import render, write_report
from dualgate.sinks.report.story import Story
from dualgate.sinks.report.summary import summary, verdict_of
from dualgate.sinks.report.words import sentence

__all__ = ["Story", "render", "sentence", "summary", "verdict_of", "write_report"]
