"""Measures the range of each channel of pictures, number of a step, or unnamed feature."""

from collections.abc import Iterator, Sequence

import numpy as np

from bakehouse.data.parsed import Array, Samples
from bakehouse.plan.card import Channel, Finding
from bakehouse.plurals import listed
from bakehouse.recipe.ingredient import DataKind

MAX_CHANNELS = 256
BLOCK_BYTES = 8 << 20
AXES: dict[DataKind, int] = {"table": 1, "sequence": 2, "image": 1}
"""The axis of the training inputs along which the channels are."""


def measure_channels(samples: Samples) -> tuple[Channel, ...] | None:
    """Returns the ranges of the channels; None if there are too many to list."""
    x = samples.arrays["x"]
    axis = AXES[samples.kind]
    if x.shape[axis] > MAX_CHANNELS:
        return None
    others = tuple(i for i in range(x.ndim) if i != axis)
    lows, highs, sums = [], [], []
    numbers = 0
    # The padding of ragged sequences is nan, and is left out of all of these.
    for block in blocks(x):
        lows.append(np.fmin.reduce(block, axis=others))
        highs.append(np.fmax.reduce(block, axis=others))
        sums.append(np.nansum(block, axis=others, dtype=np.float64))
        numbers += block.size - int(np.isnan(block).sum())
    means = np.sum(sums, axis=0) * x.shape[axis] / numbers
    ranges = zip(np.min(lows, axis=0).tolist(), np.max(highs, axis=0).tolist(), means.tolist(), strict=True)
    return tuple(Channel(minimum=low, maximum=high, mean=mean) for low, high, mean in ranges)


def blocks(values: Array) -> Iterator[Array]:
    """Yields the rows in blocks of a few MiB."""
    step = max(1, BLOCK_BYTES // values[:1].nbytes)
    return (values[start : start + step] for start in range(0, len(values), step))


def channel_findings(kind: DataKind, channels: Sequence[Channel] | None) -> Iterator[Finding]:
    """Yields the channels that have one value everywhere; near-constant features of tables are found among columns."""
    still = [index for index, each in enumerate(channels or ()) if each.minimum == each.maximum]
    if kind == "table" or not still or channels is None:
        return
    noun = "channel" if kind == "image" else "number"
    shown = listed([f"{noun} {index} is {channels[index].mean:g}" for index in still])
    message = f"{shown} everywhere in the training rows: a model learns nothing from it"
    yield Finding(code="near_constant", severity="info", where=f"/channels/{still[0]}", message=message)
