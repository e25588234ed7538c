"""Reads the binary version of CIFAR-10 and CIFAR-100: the published archive, or its unpacked files.

CIFAR-100 has two labels for each picture; the fine one is used. The version for Python consists of pickles, which are
never read because they can run any code.
"""

import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from bakehouse.data.content_kinds import describe_content
from bakehouse.data.errors import UnusableSource
from bakehouse.data.parsed import Array, Samples, check_rows, check_size
from bakehouse.data.readers.labels import encode_targets
from bakehouse.data.source_files import exists, open_file

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
MAX_MEMBERS = 100
"""Limit on the number of files in an archive; the published archives have 9."""


@dataclass(frozen=True)
class Form:
    """The names and the layout of the files of CIFAR-10 or CIFAR-100."""

    archive: str
    folder: str
    """The folder in the archive that holds the files."""
    train: tuple[str, ...]
    test: str
    labels: int
    """The number of label bytes before the pixels of a picture; the last one is the class."""
    pickled: tuple[str, ...]
    """File names that occur only in the version for Python."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all files."""
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

Location = tuple[str, ...] | None
"""The path of the folder that holds the unpacked files, relative to the set's; null for the archive."""


def holds_cifar(folder: Path) -> bool:
    """Whether the folder has CIFAR-10 or CIFAR-100, in the binary version or in the version for Python."""
    # The version for Python counts too, so that its error can name the archive to use instead.
    return any(any(True for _ in _find_locations(folder, form)) or _is_pickled(folder, form) for form in FORMS)


def read_cifar(folder: Path, names: tuple[str, ...] | None) -> Samples:
    """Reads colour pictures and their classes; `names` are the names of the classes 0, 1, ..."""
    form, location = _find_binary_version(folder)
    files = dict(_read_archive(folder, form) if location is None else _read_folder(folder, location, form))
    missing = [name for name in form.names if name not in files]
    if missing:
        raise UnusableSource(f"{missing[0]} is missing; the binary version consists of {', '.join(form.names)}")
    train = np.concatenate([_rows(name, files[name], form) for name in form.train])
    test = _rows(form.test, files[form.test], form)
    check_rows(len(train))
    try:
        encoded, classes = encode_targets({"y": train[:, form.labels - 1], "y_test": test[:, form.labels - 1]}, names)
    except UnusableSource as error:
        file = form.test if error.member == "y_test" else form.train[0]
        raise UnusableSource(f"{file}: {error}", file=file) from error
    inputs = {"x": _pictures(train, form), "x_test": _pictures(test, form)}
    return Samples(kind="image", format="cifar", arrays={**inputs, **encoded}, classes=classes)


def _find_binary_version(folder: Path) -> tuple[Form, Location]:
    for form in FORMS:
        for location in _find_locations(folder, form):
            return form, location
    form = next(form for form in FORMS if _is_pickled(folder, form))
    raise UnusableSource(
        f"this is the version for Python, which consists of pickles, and Bakehouse never reads pickles: "
        f"use the binary version, {form.archive}"
    )


def _find_locations(folder: Path, form: Form) -> Iterator[Location]:
    # An entry that is no file counts too, so that its error can say why it is not read.
    for location in ((), (form.folder,)):
        if exists(folder, *location, form.train[0]):
            yield location
    if exists(folder, form.archive):
        yield None


def _is_pickled(folder: Path, form: Form) -> bool:
    return any(exists(folder, name) for name in form.pickled)


def _read_folder(folder: Path, location: tuple[str, ...], form: Form) -> Iterator[tuple[str, bytes]]:
    total = 0
    for name in form.names:
        if exists(folder, *location, name):
            with open_file(folder, *location, name) as file:
                total += os.fstat(file.fileno()).st_size
                check_size("its files", total)
                yield name, file.read()


def _read_archive(folder: Path, form: Form) -> Iterator[tuple[str, bytes]]:
    """Yields the files with expected names. The archive is read as a stream, and nothing is extracted to disk."""
    total = 0
    try:
        with open_file(folder, form.archive) as file, tarfile.open(fileobj=file, mode="r|gz") as stream:
            for number, member in enumerate(stream):
                if number >= MAX_MEMBERS:
                    raise UnusableSource(f"{form.archive} holds more than {MAX_MEMBERS} files; the original holds 9")
                name = PurePosixPath(member.name).name
                # Links and devices are not read, whatever their names are.
                content = stream.extractfile(member) if name in form.names and member.isreg() else None
                if content is not None:
                    total += member.size
                    # The size is that of the unpacked file, so a decompression bomb is refused before it is read.
                    check_size(form.archive, total)
                    yield name, content.read()
    except (tarfile.TarError, zlib.error, EOFError) as error:
        with open_file(folder, form.archive) as file:
            why = describe_content(file, right="compressed by gzip")
        message = f"{form.archive} is damaged or not a .tar.gz archive: {why}"
        raise UnusableSource(message, file=form.archive) from error


def _rows(name: str, content: bytes, form: Form) -> Array:
    """Returns a row of bytes for each picture: its labels, then its red, green and blue pixels."""
    width = form.labels + PIXELS
    if not content or len(content) % width:
        raise UnusableSource(f"{name} is damaged: it has {len(content):,} bytes, but each picture takes {width:,}")
    return np.frombuffer(content, dtype=np.uint8).reshape(-1, width)


def _pictures(rows: Array, form: Form) -> Array:
    return np.ascontiguousarray(rows[:, form.labels :]).reshape(-1, *SHAPE)
