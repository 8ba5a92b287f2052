"""Reads numbers: aggregating, judging, drawing, reporting. Knows pandas and matplotlib, not torch."""
