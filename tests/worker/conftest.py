"""What holds for every test of training."""

import pytest
import torch

# The models are so small that more threads would only wait for each other.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same draws whatever ran before."""
    torch.manual_seed(0)
