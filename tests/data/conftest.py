"""Writes pictures and idx files like those that users have."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bakehouse.data.readers.idx import FILES

SavePicture = Callable[..., None]
SaveIdx = Callable[[Path], None]


@pytest.fixture
def save_picture() -> SavePicture:
    """Writes a picture of one grey level: `save_picture(path, level, size=(6, 4), mode="L")`."""

    def save(path: Path, level: int, *, size: tuple[int, int] = (6, 4), mode: str = "L") -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, level).convert(mode).save(path)

    return save


@pytest.fixture
def save_idx() -> SaveIdx:
    """Writes the four files of a set of 30 + 10 pictures, 5 x 7."""

    def save(folder: Path) -> None:
        folder.mkdir(parents=True)
        for key, name in FILES.items():
            rows = 10 if key.endswith("_test") else 30
            shape = (rows, 5, 7) if key.startswith("x") else (rows,)
            header = np.array([0x800 + len(shape), *shape], dtype=">u4").tobytes()
            (folder / name).write_bytes(
                gzip.compress(header + np.arange(np.prod(shape), dtype=np.uint64).astype("u1").tobytes())
            )
            if key.startswith("y"):
                (folder / name).write_bytes(gzip.compress(header + (np.arange(rows) % 10).astype("u1").tobytes()))

    return save
