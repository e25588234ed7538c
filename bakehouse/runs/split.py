"""Defines the response of `GET /v1/runs/{id}/split`: which rows of the user's files a run trains, validates and tests
on."""

from bakehouse.model import Model
from bakehouse.plan.card import Format

MAX_JSON_ROWS = 1_000_000
"""Limit on the rows of a data set that are listed as JSON; `format=npz` lists more."""


class SplitRows(Model):
    """The rows of one split."""

    source: str
    """What the rows are counted in: a file, an array of an `.npz` file, or a folder of pictures."""
    count: int
    """Number of rows."""
    rows: tuple[int, ...]
    """The row numbers in ascending order, counted from 0; `row_number` says what they mean."""
    paths: tuple[str, ...] | None = None
    """For a folder of pictures, the path of each of these rows below the data set's folder, in the same order."""
    labels: tuple[str, ...] | None = None
    """For a folder of pictures, the class or the number of each of these rows, in the same order."""


class RunSplit(Model):
    """The row numbers of a run's training, validation and test split, in the order of the user's files."""

    run: str
    dataset: str
    fingerprint: str
    """Fingerprint of the data set whose rows these are; it is the data that the run trains on."""
    file: str
    """The name of the file or folder in BAKEHOUSE_DATA, of an upload, or of a built-in set's folder in
    `bakehouse/data/builtin`."""
    format: Format
    """The format of the file or folder, as in the data set's card."""
    row_number: str
    """What a row number means, as a human-readable sentence."""
    split_seed: int
    validation_fraction: float
    folds: int | None = None
    """Number of folds of the run's cross-validation, instead of `validation_fraction`; null without one."""
    fold: int | None = None
    """Number of the fold that `validation` is. In a `time` split, the rows of later folds are in no split."""
    bootstrap: bool
    """Whether the run draws its training rows from those in `train` with replacement, some of them several times."""
    train: SplitRows
    validation: SplitRows
    test: SplitRows


ROW_NUMBER: dict[Format, str] = {
    "parquet": "A row number counts the rows of the file, from 0.",
    "arrow": "A row number counts the rows of the Arrow files of a split, one file after the other, from 0.",
    "json": "A row number counts the objects of the file, from 0.",
    "csv": "A row number counts the data rows: row 0 is the first row after the header. Blank lines, comments "
    "and rows of nothing but separators do not count.",
    "npz": "A row number is an index along the first axis of the array `source`.",
    "npy": "A row number is an index along the first axis of the arrays x.npy and y.npy.",
    "pictures": "A row number is a position in the list of all pictures of the folder `source`: the files of each "
    "folder by their names, then its folders by their names. `paths` has their paths, and `labels` their classes.",
    "idx": "A row number is the position of a picture in the file.",
    "cifar": "A row number is the position of a picture in these files, one after the other.",
}
