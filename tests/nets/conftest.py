"""What tests of layers share."""

import pytest
import torch


@pytest.fixture
def images():
    """Ten of three seeds: (3, 10, 1, 4, 4)."""
    return torch.randn(3, 10, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
