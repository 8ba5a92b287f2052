"""Advice on one net and one data set: a small study, run in stages, and a page that says what follows."""
