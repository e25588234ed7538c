"""Defines the layers that torch does not have.

An exported script contains the source of the layers that it needs, so the files here import only torch and the
standard library.
"""

from worker.model.modules.dropout import (
    DropConnect,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout,
    Uout,
    VanillaDropout,
)
from worker.model.modules.norms import BatchRenorm, CrossIterationBatchNorm, MapLayerNorm, compensated
from worker.model.modules.recurrent import (
    Elman,
    Gru,
    Lstm,
    NormalizedElman,
    NormalizedGru,
    NormalizedLstm,
    RowsAsSteps,
)
from worker.model.modules.structure import (
    DenseConcat,
    Embed,
    Heads,
    Maxout,
    MaxOverMap,
    MeanOverMap,
    Residual,
    Subsample,
    sequence,
)
from worker.model.modules.units import (
    Denormalize,
    EncodeColumns,
    Exponential,
    Normalize,
    Units,
    Whiten,
    WhitenColumns,
    to_data_units,
    without_unit_layers,
)

__all__ = [
    "BatchRenorm",
    "CrossIterationBatchNorm",
    "Denormalize",
    "DenseConcat",
    "DropConnect",
    "Dropout",
    "Elman",
    "Embed",
    "EncodeColumns",
    "Exponential",
    "GaussianDropout",
    "GaussianNoise",
    "Gru",
    "Heads",
    "Lstm",
    "MapLayerNorm",
    "MaxOverMap",
    "Maxout",
    "MeanOverMap",
    "Normalize",
    "NormalizedElman",
    "NormalizedGru",
    "NormalizedLstm",
    "Residual",
    "RowsAsSteps",
    "SpatialDropout",
    "Subsample",
    "Units",
    "Uout",
    "VanillaDropout",
    "Whiten",
    "WhitenColumns",
    "compensated",
    "sequence",
    "to_data_units",
    "without_unit_layers",
]
