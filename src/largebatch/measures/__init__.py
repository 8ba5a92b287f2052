"""One module per measured quantity."""
