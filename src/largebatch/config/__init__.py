"""What is asked: YAML to a checked study. Imports neither torch nor pandas."""
