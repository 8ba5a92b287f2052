"""Makes numbers: data, training, measuring. Knows torch, not pandas or matplotlib."""
