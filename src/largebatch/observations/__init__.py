"""What was measured as one table, and how figures and claims read it."""
