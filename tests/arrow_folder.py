"""Makes folders as `save_to_disk` of Hugging Face's library `datasets` writes them."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image

Columns = Mapping[str, Any]
Features = Mapping[str, Mapping[str, Any]]
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})


def class_label(*names: str) -> dict[str, Any]:
    return {"names": list(names), "_type": "ClassLabel"}


def value(dtype: str) -> dict[str, Any]:
    return {"dtype": dtype, "_type": "Value"}


def save_to_disk(folder: Path, shards: Sequence[Columns], features: Features) -> Path:
    """Writes a data set, whose files have the given columns."""
    folder.mkdir(parents=True)
    names = [f"data-{number:05}-of-{len(shards):05}.arrow" for number in range(len(shards))]
    for name, columns in zip(names, shards, strict=True):
        table = pa.table(dict(columns))
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=7)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0", "_split": None}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))
    return folder


def save_splits(folder: Path, splits: Mapping[str, Columns], features: Features) -> Path:
    """Writes a data set for each split."""
    for name, columns in splits.items():
        save_to_disk(folder / name, [columns], features)
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


def pictures(count: int, side: int = 8) -> Any:
    """A column of grey pictures, each of one brightness."""
    cells = []
    for number in range(count):
        file = io.BytesIO()
        Image.new("L", (side, side), 10 * number).save(file, "PNG")
        cells.append({"bytes": file.getvalue(), "path": f"{number}.png"})
    return pa.array(cells, IMAGE)
