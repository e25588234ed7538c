"""What `GET /v1/datasets/{id}/samples` shows: rows of a data set as its files have them, or a picture of them."""

from bakehouse.model import Model
from bakehouse.tasks.sample_choices import Split

KIND = "samples"
"""The name of the task that reads samples."""
MAX_NUMBERS = 100_000
"""Limit on the numbers of all shown rows together; of larger rows, fewer are shown."""

Cell = float | str | None


class SamplesRequest(Model):
    """The document of the task."""

    dataset: str
    fingerprint: str
    split: Split
    limit: int
    seed: int


class DatasetSamples(Model):
    """Samples of a data set: rows drawn at random, the same ones for the same seed."""

    dataset: str
    split: Split
    """The split of the files that the rows are from; `train` if the files have no splits."""
    rows: tuple[int, ...]
    """The row numbers, counted from 0 in the order of the files. A smaller `limit` gives the first of them."""
    labels: tuple[str | None, ...] | None = None
    """The label of each row: its class or number, null where it is missing. Null for a table with named columns."""
    columns: tuple[str, ...] | None = None
    """The names of a table's columns, the target among them."""
    values: tuple[tuple[Cell | tuple[Cell, ...], ...], ...] | None = None
    """For each row of a table its cells, and for each sequence its steps; null where a cell is empty. Texts of which a
    column has more than 1,000 are null too, because packed data sets have only their numbers. Null for images."""
    png: str | None = None
    """For images, a picture (PNG, in base64) of them in the order of `rows`, from left to right and down."""
    width: int | None = None
    """Width of the picture in pixels."""
    height: int | None = None
    """Height of the picture in pixels."""
    text: str
    """The samples in words."""
