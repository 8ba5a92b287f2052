"""Figures and tables, one module per kind of figure."""
