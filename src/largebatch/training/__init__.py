"""The engine: updates, schedules, optimisers, losses, augmentation, mitigations."""
