"""Says where the data are that a script measures a model on, and which data it can read."""

from collections.abc import Sequence
from pathlib import Path

from bakehouse.data.archives import is_archive
from bakehouse.data.known_datasets import BUILTIN, KNOWN
from bakehouse.data.readers.arrow_folders import is_row
from bakehouse.data.uploaded import FETCHED, UPLOAD
from bakehouse.plan.card import DatasetCard, SplitCounts
from bakehouse.plan.plan import Plan
from bakehouse.runs.split import MAX_JSON_ROWS

ROWS_FILE = "split.npz"
MAX_PRINTED_ROWS = 100_000
"""Limit on the test rows that a script lists itself; more are read from a file."""


class NothingToEvaluate(Exception):
    """Raised if a run has no test metrics that a script could compute again; the message says why."""


def where_data_are(card: DatasetCard) -> str:
    """Says what the path on the command line is."""
    match card.format:
        case "npy":
            return f"The data are in the folder bakehouse/data/builtin/{card.id} of the package bakehouse."
        case _ if is_unpacked(card):
            folder = f"your folder {own_name(card)}, or " if own_name(card) != upload_name(card) else ""
            return f"Give it the path of {folder}your archive {upload_name(card)}."
        case "csv" | "parquet" | "json" | "npz" if not card.origin.startswith("folder "):
            return f"Give it the path of your file {own_name(card)}."
        case _:
            return f"Give it the path of your folder {own_name(card)}."


def data_path(plan: Plan) -> str:
    """Returns the path of the data: of a built-in set where it is installed, else the name of the user's file."""
    return str(BUILTIN / plan.card.id) if plan.card.format == "npy" else own_name(plan.card)


def own_name(card: DatasetCard) -> str:
    """Returns the name of a user's file or folder."""
    known = KNOWN.get(card.id)
    if known is not None and known.origin == card.origin:
        return str(known.system_folder or card.id)
    # The client packs a folder into such an archive; any other origin is `file NAME` or `folder NAME`.
    return (upload_name(card) or card.origin.partition(" ")[2]).removesuffix(".tar")


def upload_name(card: DatasetCard) -> str | None:
    """Returns the name of the file that was uploaded; None for a set that was not."""
    is_upload = card.origin.startswith(UPLOAD)
    return card.origin.removeprefix(UPLOAD).partition(FETCHED)[0] if is_upload else None


def is_unpacked(card: DatasetCard) -> bool:
    """Whether the set is what an uploaded archive holds; an archive may have a name without an ending."""
    name = upload_name(card)
    return name is not None and (is_archive(name) or not Path(name).suffix)


def reads_rows_from_file(plan: Plan) -> bool:
    """Whether there are too many test rows to list them in the script. All rows of an own test split need no list."""
    is_large = plan.sizes.test > MAX_PRINTED_ROWS or sum(plan.sizes) > MAX_JSON_ROWS
    return is_large and (plan.card.counts.test is None or plan.card.format == "pictures")


def refuse_several_files(card: DatasetCard, pictures: Sequence[tuple[str, str]]) -> None:
    """Raises NothingToEvaluate if the data are in Arrow files or in a table for each split, which the script does not
    read."""
    if card.format == "arrow" or any(is_row(tuple(path.split("/"))) for path, _ in pictures):
        raise NothingToEvaluate(
            "the data are in Arrow files, which the script does not read: save the data set as Parquet or as pictures, "
            "and train on that"
        )
    if card.format in ("csv", "parquet", "json") and card.counts != SplitCounts(train=card.counts.train):
        raise NothingToEvaluate("each split of the data has tables of its own, and the script reads one table")
