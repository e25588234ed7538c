"""Finds the rows of a run's splits in the files of its data set."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bakehouse.data.catalog import Catalog
from bakehouse.data.errors import DatasetAbsent, DatasetBroken, DatasetNotFound
from bakehouse.data.loading import load
from bakehouse.data.packed_folders import read_card, read_paths
from bakehouse.data.parsed import Array
from bakehouse.data.readers.idx import FILES
from bakehouse.data.splits import Rows, split_as_planned
from bakehouse.data.step_rows import StoredSequences
from bakehouse.plan.card import DatasetCard
from bakehouse.plan.plan import resolve
from bakehouse.plan.targets import as_trained
from bakehouse.recipe.problems import Problem
from bakehouse.recipe.recipe import Recipe
from bakehouse.runs.run import Run
from bakehouse.runs.split import MAX_JSON_ROWS, ROW_NUMBER, RunSplit, SplitRows
from service.errors import InvalidRequest, SplitUnknown


@dataclass(frozen=True)
class FoundSplit:
    """The rows of a run's splits, and the data set that they were found in."""

    card: DatasetCard
    packed: Path
    source: Path
    rows: Mapping[str, Rows]

    def suffix(self, split: str) -> str:
        """Returns the suffix of the array whose rows are counted: that of the split, if the set has its own."""
        is_own = split != "train" and getattr(self.card.counts, split) is not None
        return f"_{split}" if is_own else ""


def split_as_json(run: Run, catalog: Catalog) -> RunSplit:
    """Returns the rows as a document. Raises InvalidRequest if the data set has more than a million rows."""
    with refuse_other_data(run):
        found = find_split(run, catalog)
        refuse_many_rows(found)
        parts = list_pictures(found) if found.card.format == "pictures" else list_rows(found)
    dataset = run.recipe.dataset
    return RunSplit(
        run=run.id,
        dataset=dataset.id,
        fingerprint=found.card.fingerprint,
        file=found.source.name,
        format=found.card.format,
        row_number=ROW_NUMBER[found.card.format],
        split_seed=dataset.split_seed,
        validation_fraction=dataset.validation_fraction,
        folds=dataset.folds,
        fold=dataset.fold,
        bootstrap=dataset.bootstrap,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
    )


def split_as_npz(run: Run, catalog: Catalog) -> bytes:
    """Returns the rows as the arrays `train`, `validation` and `test` of an `.npz` file, with the `fingerprint`; for
    pictures also their paths and labels, as `train_paths` and `train_labels` and so on."""
    with refuse_other_data(run):
        found = find_split(run, catalog)
        pictures = list_pictures(found) if found.card.format == "pictures" else {}
    arrays: dict[str, Array] = dict(found.rows)
    for name, each in pictures.items():
        arrays |= {f"{name}_paths": np.array(each.paths), f"{name}_labels": np.array(each.labels)}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, fingerprint=np.array(found.card.fingerprint), **arrays)
    return file.getvalue()


@contextmanager
def refuse_other_data(run: Run) -> Iterator[None]:
    """Turns the errors of a data set that is not usable, or not the one of the run, into SplitUnknown."""
    try:
        yield
    except (DatasetNotFound, DatasetAbsent, DatasetBroken) as error:
        raise SplitUnknown(run.id, error.message) from error
    # The files, or their packed form, may be replaced while they are read.
    except FileNotFoundError as error:
        raise data_changed(run) from error


def data_changed(run: Run) -> SplitUnknown:
    name = run.recipe.dataset.id
    message = f"the data set {name} has changed since the run was submitted; put its old files back, or, if its files "
    return SplitUnknown(
        run.id, message + "are the same, this version of Bakehouse reads them in another way: train again"
    )


def find_split(run: Run, catalog: Catalog) -> FoundSplit:
    """Finds the rows. Raises SplitUnknown if the data set has another fingerprint than the run's."""
    name = run.recipe.dataset.id
    packed = catalog.folder(name)
    source = catalog.source(name)
    card = read_card(packed)
    if run.trained_on not in (None, card.fingerprint):
        raise data_changed(run)
    return FoundSplit(card, packed, source, find_rows(packed, card, run.recipe))


def find_rows(packed: Path, card: DatasetCard, recipe: Recipe) -> dict[str, Rows]:
    """Returns the row numbers of each split in ascending order."""
    data = resolve(recipe, card)
    arrays = load(packed, data)
    taken = split_as_planned(recipe.dataset, as_trained(card, data), data, arrays)
    found = {"train": taken.train, "validation": taken.validation, "test": taken.test}
    if not isinstance(arrays.x, StoredSequences):
        return found
    grouping = arrays.x.grouping
    return {name: grouping.rows_of(sequences) for name, sequences in found.items()}


def refuse_many_rows(found: FoundSplit) -> None:
    total = sum(map(len, found.rows.values()))
    if total > MAX_JSON_ROWS:
        message = f"the data set has {total:,} rows, and JSON lists at most {MAX_JSON_ROWS:,}; use format=npz"
        raise InvalidRequest(Problem(parameter="format", code="too_large", message=message, allowed=("npz",)))


def list_rows(found: FoundSplit) -> dict[str, SplitRows]:
    """Lists the rows of a file, of arrays, or of the files of MNIST or CIFAR."""
    return {
        name: SplitRows(source=counted_in(found, found.suffix(name)), count=len(rows), rows=tuple(rows.tolist()))
        for name, rows in found.rows.items()
    }


def counted_in(found: FoundSplit, suffix: str) -> str:
    """Names the file or the array whose rows are counted."""
    match found.card.format:
        case "npz":
            return found.card.arrays.get(f"x{suffix}", f"x{suffix}")
        case "npy":
            return f"x{suffix}.npy"
        case "idx":
            return FILES[f"x{suffix}"]
        case "cifar":
            return "the test file" if suffix else "the training files"
        case _ if has_own_splits(found.card):
            return f"the {suffix[1:] or 'train'} split of {found.source.name}"
        case _:
            return found.source.name


def has_own_splits(card: DatasetCard) -> bool:
    return card.counts.validation is not None or card.counts.test is not None


def list_pictures(found: FoundSplit) -> dict[str, SplitRows]:
    """Lists the rows of a folder of pictures, with the path and the label of each."""
    return {name: _list_pictures_of(found, found.suffix(name), rows) for name, rows in found.rows.items()}


def _list_pictures_of(found: FoundSplit, suffix: str, rows: Rows) -> SplitRows:
    paths = read_paths(found.packed, suffix)
    return SplitRows(
        source=folder_of(found.card, paths) or found.source.name,
        count=len(rows),
        rows=tuple(rows.tolist()),
        paths=tuple(paths[row] for row in rows.tolist()),
        labels=picture_labels(found, suffix, rows),
    )


def picture_labels(found: FoundSplit, suffix: str, rows: Rows) -> tuple[str, ...]:
    """Returns the label of each picture: the name of its class, or its number."""
    labels = np.load(found.packed / f"y{suffix}.npy", mmap_mode="r")[rows].tolist()
    classes = found.card.classes
    return tuple(str(label) if classes is None else classes[label] for label in labels)


def folder_of(card: DatasetCard, paths: list[str]) -> str | None:
    """Names the folders whose pictures are counted, if the data set has a folder for each split."""
    if not has_own_splits(card):
        return None
    return " and ".join(dict.fromkeys(path.partition("/")[0] for path in paths))
