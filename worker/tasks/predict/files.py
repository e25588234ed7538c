"""Reads a picture or a file of arrays that a user sends as the inputs of a model."""

import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from bakehouse.data.errors import UnusableSource
from bakehouse.data.readers.array_names import find_meaning
from bakehouse.data.readers.npz import read_entry
from bakehouse.data.readers.picture_files import FORMAT_NAMES, FORMATS
from bakehouse.data.readers.pictures import DECODING_ERRORS, MAX_PIXELS, decode, decode_whole
from bakehouse.data.scaling import cut_centre
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.pictures import PictureSize
from bakehouse.plan.plan import Plan
from bakehouse.plurals import listed
from bakehouse.recipe.problems import Problem, did_you_mean
from worker.tasks.predict.rows import Array, Inputs, RowReader, RowsRefused

MAX_ARRAY_BYTES = 256 << 20
"""Limit on the bytes of the arrays in a file, which may be compressed."""
BYTE_RANGE = 255
HALF_RANGE = 127
"""Bytes that are never above this are levels of another scale, such as the 0 to 16 of `digits`."""


def refuse(code: str, message: str) -> RowsRefused:
    """Returns the error for a body that is no JSON, into which no pointer could point."""
    return RowsRefused([Problem(code=code, message=message)])


def read_picture(plan: Plan, body: bytes) -> Inputs:
    """Reads one picture of any size, upright and at the size of the model's inputs. Raises RowsRefused."""
    if not plan.data.is_image or plan.data.shape[0] not in (1, 3):
        raise refuse("picture", f"the model was trained on {plan.data}, and takes no pictures of files")
    try:
        with Image.open(BytesIO(body), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise refuse(
                    "picture", f"has {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are allowed"
                )
            pixels = decode_as_packed(image, plan.data.shape, plan.picture_size)
    except UnidentifiedImageError as error:
        raise refuse("picture", f"the body is not a {FORMAT_NAMES} picture") from error
    except DECODING_ERRORS as error:
        raise refuse("picture", f"the picture cannot be read: {error}"[:200]) from error
    return Inputs(in_stored_units(pixels, plan.card)[None])


def decode_as_packed(image: Image.Image, shape: tuple[int, ...], size: PictureSize | None) -> Array:
    """Decodes a picture (channels, height, width) as those of the data set were decoded."""
    channels, height, width = shape
    if size is None or size.short is None:
        return decode(image, (channels, height, width)).values
    whole, _ = decode_whole(image, channels)
    pixels = np.asarray(whole).reshape(whole.height, whole.width, channels)
    return cut_centre(pixels, size.side, short=size.short).transpose(2, 0, 1)


def in_stored_units(pixels: Array, card: DatasetCard) -> Array:
    """Returns pixels in the units of the data set: bytes, or levels from its least to its largest number, as samples
    of the set are shown."""
    if card.dtype == "uint8" and card.maximum > HALF_RANGE:
        return pixels
    levels = pixels.astype(np.float64) / BYTE_RANGE * (card.maximum - card.minimum) + card.minimum
    return levels.astype(np.float64 if card.dtype == "float64" else np.float32)


def read_npz(reader: RowReader, body: bytes, *, max_rows: int) -> Inputs:
    """Reads an array `x` of rows, or of a table with named columns an array for each column. Raises RowsRefused."""
    try:
        arrays = read_arrays(body)
    except UnusableSource as error:
        raise refuse("npz", str(error)) from error
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError, OSError) as error:
        raise refuse("npz", f"the body is damaged or not an npz file: {error}"[:200]) from error
    if reader.plan.card.columns is not None:
        check_columns(arrays, reader.known, max_rows)
        return reader.read({"rows": rows_of_columns(arrays)}, max_rows=max_rows)
    x = find_inputs(arrays)
    check_count("x", len(x), max_rows)
    if reader.plan.data.lengths is not None:
        return reader.read({"rows": x.tolist()}, max_rows=max_rows)
    return Inputs(reader.cast(with_shape(x, reader.shape)))


def read_arrays(body: bytes) -> dict[str, Array]:
    """Returns the arrays of a file, whose headers are checked before anything is read."""
    with zipfile.ZipFile(BytesIO(body)) as archive:
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if size > MAX_ARRAY_BYTES:
            raise refuse("npz", f"its arrays have {size:,} bytes; at most {MAX_ARRAY_BYTES:,} are allowed")
        names = [entry.filename.removesuffix(".npy") for entry in entries]
        return {name: read_entry(archive, entry, name) for name, entry in zip(names, entries, strict=True)}


def find_inputs(arrays: dict[str, Array]) -> Array:
    """Returns the only array, or the one that is named as inputs are."""
    found = [array for name, array in arrays.items() if find_meaning(name) == "x"]
    found = list(arrays.values()) if len(arrays) == 1 else found
    if len(found) != 1:
        raise refuse("npz", f"the file needs one array x, but has {listed(list(arrays)) or 'none'}")
    if found[0].dtype.kind not in "fiub" or found[0].ndim == 0:
        raise refuse("npz", "x should have rows of numbers")
    return found[0]


def with_shape(x: Array, shape: tuple[int, ...]) -> Array:
    """Returns rows of this shape; grey pictures may have no axis of channels, and others may have it last."""
    if x.shape[1:] == shape:
        return x
    if len(shape) == 3 and shape[0] == 1 and x.shape[1:] == shape[1:]:
        return x[:, None]
    if len(shape) == 3 and x.ndim == 4 and x.shape[1:] == (*shape[1:], shape[0]):
        return x.transpose(0, 3, 1, 2)
    found, wanted = (" x ".join(map(str, each)) or "one number" for each in (x.shape[1:], shape))
    raise refuse("npz", f"a row of x is {found}, but the model takes rows of {wanted}")


def check_columns(arrays: dict[str, Array], known: Sequence[str], max_rows: int) -> None:
    """Checks that arrays are columns of a table, before they become lists, which take many times their memory."""
    if len({array.shape for array in arrays.values()}) != 1 or any(array.ndim != 1 for array in arrays.values()):
        raise refuse("npz", "a table with named columns needs an array for each column, all with one axis as long")
    for name in arrays:
        if name not in known:
            raise refuse("column", f"there is no column {name[:64]}{did_you_mean(name, known)}")
    check_count("the table", len(next(iter(arrays.values()))), max_rows)


def check_count(what: str, rows: int, max_rows: int) -> None:
    if rows > max_rows:
        message = f"{what} has {rows:,} rows; at most {max_rows:,} are allowed (BAKEHOUSE_MAX_PREDICTION_ROWS)"
        raise refuse("npz", message)


def rows_of_columns(arrays: dict[str, Array]) -> list[dict[str, Any]]:
    """Returns the rows of a table, of which each column is an array."""
    columns = {name: array.tolist() for name, array in arrays.items()}
    cells = [[cell if cell == cell else None for cell in column] for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True)]
