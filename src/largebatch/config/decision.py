"""The rule by which claims are decided, which is registered with them."""

LEVEL = 0.05
RULE = {
    "level": LEVEL,
    "interval": "95 % Student t over seeds",
    "correction": "Benjamini-Bogomolov over the empirical statements of the ledger",
}
