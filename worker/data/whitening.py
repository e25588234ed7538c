"""Whitening that changes inputs least. Bell & Sejnowski 1997; Krizhevsky 2009, appendix A."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.data.rows import StoredRows

Floats = NDArray[np.float64]
CHUNK_ROWS = 1024


def whitening(inputs: StoredRows, shift: Floats, scale: Floats, *, epsilon: float) -> Tensor:
    """W = U diag(1 / sqrt(lambda + epsilon)) U^T, of the covariance U diag(lambda) U^T of (x - shift) * scale. In
    float64 on the CPU, by torch, whose threads are part of what a run's bits depend on."""
    values, vectors = torch.linalg.eigh(covariance(inputs, shift, scale))
    # Rounding may take a variance of 0 below 0.
    matrix: Tensor = (vectors * (values.clamp(min=0) + epsilon).rsqrt()) @ vectors.T
    # Rounding has made the product slightly asymmetric.
    return (matrix + matrix.T) / 2


def covariance(inputs: StoredRows, shift: Floats, scale: Floats) -> Tensor:
    """Over rows, of sequences over all steps; chunk by chunk: no float64 copy of the whole set."""
    total: Tensor | float = 0.0
    count = 0
    for start in range(0, len(inputs), CHUNK_ROWS):
        centred = torch.from_numpy((inputs[start : start + CHUNK_ROWS].astype(np.float64) - shift) * scale)
        rows = centred.flatten(0, 1) if centred.ndim == 3 else centred.flatten(1)
        total = total + rows.T @ rows
        count += len(rows)
    assert isinstance(total, Tensor), "a training split has rows"
    return total / count
