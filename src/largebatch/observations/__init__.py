"""All measurements of an experiment as one table, and how figures and claims read it."""
