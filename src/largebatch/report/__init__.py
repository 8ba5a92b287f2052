"""The report, answers, citing, comparing, publishing."""
