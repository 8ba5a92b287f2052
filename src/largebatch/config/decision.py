"""The rule by which claims are decided, and when a verdict is robust; both are registered with the claims."""

LEVEL = 0.05
RULE = {
    "level": LEVEL,
    "interval": "95 % Student t over seeds",
    "correction": "Benjamini-Bogomolov over the empirical statements of the ledger",
}
# Robust: no single change of the rule in force gives another verdict, and of all combinations of changes at
# least this share give the same one. It is no part of the rule: no verdict depends on it.
LEAST_AGREEING = 0.9
WHEN_ROBUST = {"single changes": "all agree", "all variants": f"at least {LEAST_AGREEING:.0%} agree"}
