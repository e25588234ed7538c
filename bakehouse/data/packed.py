"""The packed form of a data set: a folder with `card.json` and arrays, written once, then only read."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import assert_never, get_args

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import About, Array, Contents, Samples, Table
from bakehouse.plan.card import DatasetCard, Dtype, SplitCounts

DTYPES: Mapping[str, Dtype] = {dtype: dtype for dtype in get_args(Dtype)}
MAX_CARD_BYTES = 4 << 20
"""The service reads cards and shows them; thousands of columns or classes still fit."""


def write_packed(contents: Contents, about: About, target: Path) -> DatasetCard:
    """Writes the folder aside and renames it: it is there as a whole or not at all."""
    arrays = packed_arrays(contents)
    card = make_card(contents, about, fingerprint(contents, arrays))
    text = card.model_dump_json(indent=1) + "\n"
    if len(text.encode()) > MAX_CARD_BYTES:
        raise UnusableSource("the names of its columns and classes take more than 4 MiB: too many, or too long")
    aside = target.with_name(f".{target.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    for name, values in arrays.items():
        np.save(aside / f"{name}.npy", values, allow_pickle=False)
    (aside / "card.json").write_text(text, encoding="utf-8")
    _sync(aside)
    aside.rename(target)
    return card


def packed_arrays(contents: Contents) -> Mapping[str, Array]:
    """The arrays by the names of their files."""
    match contents:
        case Samples():
            return contents.arrays
        case Table():
            return {"table": contents.values}
        case _:
            assert_never(contents)


def fingerprint(contents: Contents, arrays: Mapping[str, Array]) -> str:
    """SHA-256 over the arrays and what their numbers mean; names for people do not count."""
    digest = hashlib.sha256(json.dumps(_meaning(contents)).encode())
    for name, values in sorted(arrays.items()):
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).data)
    return f"sha256:{digest.hexdigest()}"


def _meaning(contents: Contents) -> list[object]:
    match contents:
        case Samples():
            further = [[target.name, target.classes] for target in contents.targets]
            return [contents.kind, contents.classes, *further]
        case Table():
            return ["columns", [(column.name, column.kind, column.classes) for column in contents.columns]]
        case _:
            assert_never(contents)


def make_card(contents: Contents, about: About, fingerprint: str) -> DatasetCard:
    """All that a recipe may rely on."""
    match contents:
        case Samples():
            return _samples_card(contents, about, fingerprint)
        case Table():
            return _table_card(contents, about, fingerprint)
        case _:
            assert_never(contents)


def _samples_card(samples: Samples, about: About, fingerprint: str) -> DatasetCard:
    arrays, classes = samples.arrays, samples.classes
    x, y = arrays["x"], arrays["y"]
    inputs = [values for name, values in arrays.items() if name.startswith("x")]
    counts = {name: len(arrays[f"y_{name}"]) for name in ("validation", "test") if f"y_{name}" in arrays}
    return DatasetCard(
        id=about.id,
        title=about.title,
        origin=about.origin,
        fingerprint=fingerprint,
        kind=samples.kind,
        shape=x.shape[1:],
        dtype=DTYPES[x.dtype.name],
        counts=SplitCounts(train=len(x), **counts),
        task="regression" if classes is None else "classification",
        classes=classes,
        class_counts=None if classes is None else tuple(np.bincount(y, minlength=len(classes)).tolist()),
        targets=samples.targets,
        minimum=min(float(values.min()) for values in inputs),
        maximum=max(float(values.max()) for values in inputs),
        notes=tuple(samples.notes),
        mirror_safe=about.mirror_safe,
    )


def _table_card(table: Table, about: About, fingerprint: str) -> DatasetCard:
    return DatasetCard(
        id=about.id,
        title=about.title,
        origin=about.origin,
        fingerprint=fingerprint,
        kind="table",
        shape=(len(table.columns) - 1,),
        dtype="float64" if any(column.dtype == "float64" for column in table.columns) else "float32",
        counts=SplitCounts(train=len(table.values)),
        columns=table.columns,
        minimum=min((column.minimum for column in table.columns if column.minimum is not None), default=0.0),
        maximum=max((column.maximum for column in table.columns if column.maximum is not None), default=0.0),
        notes=tuple(table.notes),
        mirror_safe=about.mirror_safe,
    )


def _sync(folder: Path) -> None:
    """A power cut after the rename must not leave empty files behind a good name."""
    for path in (*folder.iterdir(), folder):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
