"""Small textbook studies in NumPy: each exhibit a pure generator of observations."""
