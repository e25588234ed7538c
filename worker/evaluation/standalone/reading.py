"""Reads rows of the user's files as Bakehouse does. `bakehouse code --evaluate` prints this source, so it imports
nothing from Bakehouse."""

import csv
import gzip
import io
import os
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from worker.evaluation.standalone.labels import Array, Target, encode_labels, stack_labels

SPLIT_FOLDERS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}
SUFFIXES = (".png", ".jpg", ".jpeg")
IDX_PREFIX = {"train": "train", "test": "t10k"}
CIFAR = {
    "cifar-10": ("cifar-10-batches-bin", [f"data_batch_{number}.bin" for number in range(1, 6)], "test_batch.bin", 1),
    "cifar-100": ("cifar-100-binary", ["train.bin"], "test.bin", 2),
}


def data_path(default: str) -> Path:
    """Returns the path that the command line gives, or the default."""
    return Path(sys.argv[1] if len(sys.argv) > 1 else default)


def check_count(path: Path, found: int, expected: int) -> None:
    """Ends the script if the data cannot be those of the run."""
    if found != expected:
        raise SystemExit(f"{path} has {found:,} rows, but the run was trained on a file with {expected:,}")


def read_csv(
    path: Path, rows: Array, count: int, inputs: Sequence[str], targets: Sequence[Target], dtype: str
) -> tuple[Array, Array]:
    """Reads data rows of a table with a header; blank lines do not count."""
    with path.open("rb") as file:
        header = file.readline(1 << 20)
    delimiter = max(",;\t", key=lambda character: header.count(character.encode()))
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter, skipinitialspace=True, strict=True)
        names, *table = ([cell.strip() for cell in line] for line in reader if line)
    check_count(path, len(table), count)
    place = {name: number for number, name in enumerate(names)}
    x = np.array([[float(table[row][place[name]]) for name in inputs] for row in rows], np.float64)
    labels = [encode_labels((table[row][place[target.name]] for row in rows), target) for target in targets]
    return x.astype(dtype), stack_labels(labels)


def read_npz(
    path: Path, rows: Array, count: int, split: str, kind: str, targets: Sequence[Target], dtype: str
) -> tuple[Array, Array]:
    """Reads rows of the arrays `x` and `y`, or of `x_test` and `y_test`; pictures get their channels first."""
    suffix = "" if split == "train" else f"_{split}"
    names = ["y", *(f"y_{target.name}" for target in targets[1:])]
    with np.load(path) as file:
        x = file[f"x{suffix}"]
        check_count(path, len(x), count)
        labels = [
            encode_labels(file[f"{name}{suffix}"].reshape(-1)[rows], target)
            for name, target in zip(names, targets, strict=True)
        ]
    if x.ndim == 3 and kind == "image":
        x = x[:, None]
    elif x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] not in (1, 3, 4):
        x = x.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x[rows]).astype(dtype), stack_labels(labels)


def read_npy(folder: Path, rows: Array, count: int, names: Sequence[str]) -> tuple[Array, Array]:
    """Reads rows of the arrays of a set that comes with Bakehouse."""
    x = np.load(folder / "x.npy")
    check_count(folder, len(x), count)
    return x[rows], stack_labels([np.load(folder / f"{name}.npy")[rows] for name in names])


def read_pictures(
    folder: Path, rows: Array, count: int, split: str, shape: tuple[int, int, int], target: Target
) -> tuple[Array, Array]:
    """Reads pictures by their positions in the list of all pictures, which are sorted by class folder and name."""
    paths = list(list_pictures(folder, split))
    check_count(folder, len(paths), count)
    x = np.ascontiguousarray([read_picture(paths[row], shape) for row in rows])
    return x, encode_labels((paths[row].parent.name for row in rows), target)


def list_pictures(folder: Path, split: str) -> Iterator[Path]:
    """Yields all pictures of a folder, or those in its folder for the split if it has folders for splits."""
    names = [entry.name for entry in list_folder(folder) if entry.is_dir(follow_symlinks=False)]
    has_splits = "train" in names and set(names) <= {name for each in SPLIT_FOLDERS.values() for name in each}
    roots = [folder / name for name in names if name in SPLIT_FOLDERS[split]] if has_splits else [folder]
    for root in roots:
        for label in list_folder(root):
            for entry in list_folder(Path(label)) if label.is_dir(follow_symlinks=False) else []:
                if entry.is_file(follow_symlinks=False) and entry.name.lower().endswith(SUFFIXES):
                    yield Path(entry)


def list_folder(folder: Path) -> list["os.DirEntry[str]"]:
    """Lists the entries of a folder that are not hidden, in the order of their names."""
    with os.scandir(folder) as entries:
        return sorted((entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name)


def read_picture(path: Path, shape: tuple[int, int, int]) -> Array:
    """Decodes a picture upright, in grey or in RGB, resized to the size of the model's inputs, with channels first."""
    channels, height, width = shape
    image: Image.Image
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        if image.format == "JPEG":
            image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits; `convert` would clip at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image = image.convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            image = image.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(image).reshape(height, width, channels).transpose(2, 0, 1)


def read_idx(
    folder: Path, rows: Array, count: int, split: str, shape: tuple[int, int, int], target: Target
) -> tuple[Array, Array]:
    """Reads pictures of the gzipped files of MNIST."""
    prefix = IDX_PREFIX[split]
    with gzip.open(folder / f"{prefix}-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, *shape)
    with gzip.open(folder / f"{prefix}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    check_count(folder, len(x), count)
    return x[rows], encode_labels(labels[rows], target)


def read_cifar(folder: Path, rows: Array, count: int, split: str, target: Target) -> tuple[Array, Array]:
    """Reads pictures of the binary files of CIFAR-10 or CIFAR-100, from the archive or unpacked."""
    for name, (inner, train, test, labels) in CIFAR.items():
        files = [test] if split == "test" else train
        for place in (folder, folder / inner):
            if (place / files[0]).exists():
                content = b"".join((place / file).read_bytes() for file in files)
                return cut_cifar(content, rows, count, labels, folder, target)
        archive = folder / f"{name}-binary.tar.gz"
        if archive.exists():
            content = b"".join(read_archive(archive, files))
            return cut_cifar(content, rows, count, labels, folder, target)
    raise SystemExit(f"{folder} has none of the binary files of CIFAR")


def read_archive(archive: Path, files: Sequence[str]) -> Iterator[bytes]:
    """Yields the contents of these files, in this order."""
    with tarfile.open(archive) as tar:
        members = {Path(member.name).name: member for member in tar.getmembers()}
        for file in files:
            yield (tar.extractfile(members[file]) or io.BytesIO()).read()


def cut_cifar(
    content: bytes, rows: Array, count: int, labels: int, folder: Path, target: Target
) -> tuple[Array, Array]:
    """Divides the bytes into labels and pictures."""
    table = np.frombuffer(content, np.uint8).reshape(-1, labels + 3 * 32 * 32)
    check_count(folder, len(table), count)
    return table[rows, labels:].reshape(-1, 3, 32, 32), encode_labels(table[rows, labels - 1], target)
