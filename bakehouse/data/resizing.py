"""Packs the pictures of a packed data set again at another size: the same rows, with the same labels.

`python -m bakehouse.data.resizing SOURCE PACKED TARGET SIZE [unchanged]` does this in a process with limits. It prints
what `bakehouse.data.packing` prints. With `unchanged`, the name of PACKED has the signature of SOURCE.
"""

import json
import resource
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

from bakehouse.data.errors import UnusableSource
from bakehouse.data.packed_folders import (
    create_folder,
    escape_path,
    read_card,
    read_paths,
    signature_in,
    write_problem,
)
from bakehouse.data.packing import CPU_SECONDS, LIMITS, TooSlow, has_signature, limit_resources, why_unreadable
from bakehouse.data.parsed import SPLITS, Array
from bakehouse.data.photographs import SHARD_BYTES, write_photographs
from bakehouse.data.readers.picture_files import find_pictures
from bakehouse.data.readers.picture_labels import PicturePath, show
from bakehouse.data.readers.pictures import Unreadable, decode, decode_whole, file_bytes, open_picture
from bakehouse.data.scaling import cut_centre
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.pictures import PictureSize, with_size

CPU_SECONDS_A_PICTURE = 0.05
MAX_RATIO = 100
"""Ratio of the pixels' bytes to the files' that photographs may have, as of archives."""
MIN_PIXEL_BYTES = 1 << 30
"""Bytes of pixels that photographs may have whatever their ratio."""
Shape = tuple[int, int, int]


def main(source: Path, packed: Path, target: Path, size: PictureSize, *, checks_signature: bool) -> None:
    """Packs the pictures and prints whether they could be used; an unexpected exception ends the process."""
    card = with_size(read_card(packed), size)
    rows = len(read_all_paths(packed, card))
    needed = rows * card.features
    if size.short is not None and card.own_sizes is not None:
        needed += card.own_sizes.pixels * card.shape[0]
    limit_resources(
        {
            **LIMITS,
            resource.RLIMIT_FSIZE: rows * card.features + 2 * SHARD_BYTES,
            resource.RLIMIT_CPU: max(CPU_SECONDS, round(CPU_SECONDS_A_PICTURE * rows)),
        }
    )
    answer: dict[str, object] = {"ok": True}
    try:
        require_space(target, needed)
        resize(source, packed, target, card, size)
    except UnusableSource as error:
        answer = {"problem": str(error)}
    except TooSlow:
        answer = {"problem": "reading its pictures takes too much processor time"}
    except OSError as error:
        answer = {"unreadable": why_unreadable(error, source)}
    if checks_signature and not has_signature(source, signature_in(packed)):
        # The folder may have pictures of two versions.
        shutil.rmtree(target, ignore_errors=True)
        answer = {"changed": True}
    if "problem" in answer:
        write_problem(target, str(answer["problem"]))
    print(json.dumps(answer))


def read_all_paths(packed: Path, card: DatasetCard) -> list[str]:
    """Returns the paths of the pictures of all splits."""
    return [path for suffix in suffixes(card) for path in read_paths(packed, suffix)]


def suffixes(card: DatasetCard) -> Iterator[str]:
    """Yields the suffixes of the arrays of the set's own splits."""
    for suffix in SPLITS:
        if suffix == "" or getattr(card.counts, suffix.removeprefix("_")) is not None:
            yield suffix


def require_space(target: Path, needed: int) -> None:
    """Raises UnusableSource if the disk has no room."""
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise OSError(28, f"its pictures take {needed:,} bytes at this size, and the disk has {free:,} left")


def resize(source: Path, packed: Path, target: Path, card: DatasetCard, size: PictureSize) -> None:
    """Writes the packed data set, whose card has the shape of the pictures."""
    # The stored paths need not be those of the files: what is not Unicode is escaped.
    found = {escape_path(picture.path): picture.path for picture in find_pictures(source, [], [])}
    with create_folder(target) as folder:
        for suffix in suffixes(card):
            paths = [find(path, found) for path in read_paths(packed, suffix)]
            with (folder / f"x{suffix}.npy").open("wb") as file:
                write_header(file, (len(paths), *card.shape))
                for pixels in read_squares(paths, source, card, size, folder, suffix):
                    file.write(pixels.tobytes())
            shutil.copyfile(packed / f"y{suffix}.npy", folder / f"y{suffix}.npy")
        shutil.copyfile(packed / "paths.json", folder / "paths.json")
        (folder / "card.json").write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")


def find(path: str, found: Mapping[str, PicturePath]) -> PicturePath:
    """Returns the path of a picture's file. Raises UnusableSource if it is gone."""
    if path not in found:
        raise UnusableSource(f"{path} is gone")
    return found[path]


def write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    """Begins an `.npy` file of bytes, so that its rows can be written one by one."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.uint8)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def read_squares(
    paths: list[PicturePath], source: Path, card: DatasetCard, size: PictureSize, folder: Path, suffix: str
) -> Iterator[Array]:
    """Yields the square of each picture (channels, height, width); writes the photographs if they are kept."""
    channels, height, width = card.shape
    if size.short is None:
        for path in paths:
            yield read_picture(path, source, lambda image: decode(image, (channels, height, width)).values)
        return
    budget = Budget()
    with write_photographs(folder, suffix) as photographs:
        for path in paths:
            pixels = read_picture(path, source, lambda image: decode_photograph(image, channels))
            budget.spend(file_bytes(path, source), pixels.nbytes)
            photographs.add(pixels)
            yield cut_centre(pixels, size.side, short=size.short).transpose(2, 0, 1)


def decode_photograph(image: Image.Image, channels: int) -> Array:
    """Decodes a picture at its own size (height, width, channels)."""
    whole, _ = decode_whole(image, channels)
    return np.asarray(whole).reshape(whole.height, whole.width, channels)


class Budget:
    """Refuses pictures whose files are small and whose pixels would fill the disk."""

    def __init__(self) -> None:
        self._left = MIN_PIXEL_BYTES

    def spend(self, file_bytes: int, pixel_bytes: int) -> None:
        """Counts a picture. Raises UnusableSource."""
        self._left += MAX_RATIO * file_bytes - pixel_bytes
        if self._left < 0:
            raise UnusableSource(
                f"its pictures take more than {MAX_RATIO} times as many bytes as their files, and more than "
                f"{MIN_PIXEL_BYTES:,}: keep them at one size, by `dataset.size`"
            )


def read_picture(path: PicturePath, source: Path, read: Callable[[Image.Image], Array]) -> Array:
    """Decodes a picture. It could be read at another size, so that one that cannot be read now is an error."""
    try:
        with open_picture(path, source) as image:
            return read(image)
    except Unreadable as error:
        raise UnusableSource(f"{show(path)} cannot be read: {error}") from error


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        Path(sys.argv[3]),
        PictureSize.parse(sys.argv[4]),
        checks_signature="unchanged" in sys.argv[5:],
    )
