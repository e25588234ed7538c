"""Reads the binary version of CIFAR-10 and CIFAR-100, unpacked or as the archive that it comes in.

Of CIFAR-100's two labels the fine one is taken. The version for Python holds pickles, which are never read.
"""

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from bakehouse.data.errors import UnusableSource
from bakehouse.data.labels import encode_targets
from bakehouse.data.parsed import Array, Samples, check_rows, check_size

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
MAX_MEMBERS = 100
"""Of an archive; the published ones have 9."""


@dataclass(frozen=True)
class Form:
    """What one of the two sets consists of."""

    archive: str
    folder: str
    """In the archive."""
    train: tuple[str, ...]
    test: str
    labels: int
    """Bytes before each picture; the last is the class."""
    pickled: tuple[str, ...]
    """Files of the version for Python."""

    @property
    def names(self) -> tuple[str, ...]:
        """All its files."""
        return (*self.train, self.test)


FORMS = (
    Form(
        archive="cifar-10-binary.tar.gz",
        folder="cifar-10-batches-bin",
        train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        test="test_batch.bin",
        labels=1,
        pickled=("cifar-10-python.tar.gz", "cifar-10-batches-py", "data_batch_1"),
    ),
    Form(
        archive="cifar-100-binary.tar.gz",
        folder="cifar-100-binary",
        train=("train.bin",),
        test="test.bin",
        labels=2,
        pickled=("cifar-100-python.tar.gz", "cifar-100-python"),
    ),
)


def holds_cifar(folder: Path) -> bool:
    """Whether the folder has one of the two sets, in whatever version."""
    return any(_place(folder, form) is not None or _is_pickled(folder, form) for form in FORMS)


def read_cifar(folder: Path, names: tuple[str, ...] | None) -> Samples:
    """Colour pictures and their classes; `names` are those of the classes 0, 1, ..."""
    form, place = _found(folder)
    files = dict(_of_archive(place, form) if place.is_file() else _of_folder(place, form))
    missing = [name for name in form.names if name not in files]
    if missing:
        raise UnusableSource(f"{missing[0]} is not there; the binary version has {', '.join(form.names)}")
    train = np.concatenate([_rows(name, files[name], form) for name in form.train])
    test = _rows(form.test, files[form.test], form)
    check_rows(len(train))
    encoded, classes = encode_targets({"y": train[:, form.labels - 1], "y_test": test[:, form.labels - 1]}, names)
    inputs = {"x": _pictures(train, form), "x_test": _pictures(test, form)}
    return Samples(kind="image", arrays={**inputs, **encoded}, classes=classes)


def _found(folder: Path) -> tuple[Form, Path]:
    for form in FORMS:
        place = _place(folder, form)
        if place is not None:
            return form, place
    form = next(form for form in FORMS if _is_pickled(folder, form))
    raise UnusableSource(f"this is the version for Python, and pickles are not read: take {form.archive}")


def _place(folder: Path, form: Form) -> Path | None:
    """The archive, or the folder of its files: this one or the archive's own within it."""
    for place in (folder, folder / form.folder):
        if (place / form.train[0]).is_file():
            return place
    archive = folder / form.archive
    return archive if archive.is_file() else None


def _is_pickled(folder: Path, form: Form) -> bool:
    return any((folder / name).exists() for name in form.pickled)


def _of_folder(folder: Path, form: Form) -> Iterator[tuple[str, bytes]]:
    paths = [folder / name for name in form.names if (folder / name).is_file()]
    check_size("its files", sum(path.stat().st_size for path in paths))
    for path in paths:
        yield path.name, path.read_bytes()


def _of_archive(archive: Path, form: Form) -> Iterator[tuple[str, bytes]]:
    """In one pass over the stream; nothing is written, and names outside the set are not looked at."""
    total = 0
    try:
        with tarfile.open(archive, "r|gz") as stream:
            for number, member in enumerate(stream):
                if number >= MAX_MEMBERS:
                    raise UnusableSource(f"{archive.name} holds more than {MAX_MEMBERS} files")
                name = PurePosixPath(member.name).name
                content = stream.extractfile(member) if name in form.names and member.isreg() else None
                if content is not None:
                    total += member.size
                    check_size(archive.name, total)
                    yield name, content.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise UnusableSource(f"{archive.name} is not a sound archive: {error}") from error


def _rows(name: str, content: bytes, form: Form) -> Array:
    """A row is its labels, then its red, green and blue pixels."""
    width = form.labels + PIXELS
    if not content or len(content) % width:
        raise UnusableSource(f"{name} has {len(content):,} bytes, which are not rows of {width:,}")
    return np.frombuffer(content, dtype=np.uint8).reshape(-1, width)


def _pictures(rows: Array, form: Form) -> Array:
    return np.ascontiguousarray(rows[:, form.labels :]).reshape(-1, *SHAPE)
