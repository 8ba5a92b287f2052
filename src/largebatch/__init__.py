"""largebatch: what batch size, learning rate and schedule do to the minimum that SGD finds."""
