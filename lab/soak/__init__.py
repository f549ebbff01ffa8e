"""Whole lives of migrations with identical agents through the gate's own fold: what is promised of false verdicts, measured."""
