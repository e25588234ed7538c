"""Turns rows that users send into the inputs of a model, as its training data were turned into them.

Nothing is fitted: classes, forms and the order of columns are those of the plan, and the model itself has the numbers
by which inputs are scaled and gaps are filled.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakehouse.data.step_rows import pad_steps
from bakehouse.plan.inputs import Input
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of, listed
from bakehouse.recipe.dataset import StepRows
from bakehouse.recipe.problems import Path, Problem, did_you_mean, pointer
from worker.tasks.predict.cells import LARGEST, CellReader, CellRefused, as_float, make_reader, show

Array = NDArray[Any]
MAX_PROBLEMS = 20
MAX_LISTED = 100


class RowsRefused(Exception):
    """Raised if rows cannot be read; `problems` lists the first reasons."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a model, and what is to be said with their predictions."""

    rows: Array
    """(N, ...) in the units of the data set."""
    notes: Sequence[Sequence[str]] = ()
    """For each row, how the model takes cells that it has not seen the like of; empty if there are none at all."""
    sequences: Sequence[str] | None = None
    """The ids of the sequences, if steps were sent one by one."""


class Findings:
    """The problems that were found in rows."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, path: Path, code: str, message: str, allowed: Sequence[str] | None = None) -> None:
        """Notes a problem. Raises RowsRefused once there are many."""
        known = None if allowed is None or len(allowed) > MAX_LISTED else tuple(allowed)
        self.problems.append(Problem(pointer=pointer(path), code=code, message=message, allowed=known))
        if len(self.problems) == MAX_PROBLEMS:
            raise RowsRefused(self.problems)

    def check(self) -> None:
        """Raises RowsRefused if there is a problem."""
        if self.problems:
            raise RowsRefused(self.problems)


class RowReader:
    """Reads rows for one model."""

    def __init__(self, plan: Plan) -> None:
        data = plan.data
        self.plan = plan
        self.shape = data.shape
        self.dtype = np.float64 if data.is_double else np.float32
        self.columns = [make_reader(column, fills_gaps=data.encoding is not None) for column in data.inputs]
        self.known = tuple(column.name for column in plan.card.columns or ())

    def read(self, document: object, *, max_rows: int) -> Inputs:
        """Reads the rows of a document. Raises RowsRefused."""
        rows = list_rows(document, max_rows)
        findings = Findings()
        if self.plan.card.columns is None:
            return self._read_arrays(rows, findings)
        steps = self.plan.data.steps
        if steps is None:
            return self._read_table(rows, findings)
        return self._read_sequences(rows, steps, findings)

    def _read_table(self, rows: Sequence[object], findings: Findings) -> Inputs:
        notes: list[list[str]] = [[] for _ in rows]
        numbers = [
            self._read_row(row, ("rows", index), findings, notes[index]) for index, row in enumerate(rows)
        ]  # fmt: skip
        findings.check()
        return Inputs(np.array(numbers, np.float64).astype(self.dtype), notes)

    def _read_row(self, row: object, path: Path, findings: Findings, notes: list[str]) -> list[float]:
        """Returns the numbers of a row; what it has besides does not matter once a problem was found."""
        cells = self._find_cells(row, path, findings)
        numbers: list[float] = []
        for key, reader, value in cells:
            try:
                numbers.append(reader.read(value, notes))
            except CellRefused as error:
                findings.add((*path, key), "cell", str(error))
        return numbers

    def _find_cells(self, row: object, path: Path, findings: Findings) -> list[tuple[str | int, CellReader, object]]:
        """Returns each input of a row with its place in the row and its cell."""
        match row:
            case dict():
                self._check_names(row, path, findings)
                return [(each.column.name, each, row.get(each.column.name)) for each in self.columns
                        if each.column.name in row]  # fmt: skip
            case list() if len(row) == len(self.columns):
                return [(place, *pair) for place, pair in enumerate(zip(self.columns, row, strict=True))]
            case list() if len(row) == len(self.known):
                places = [self.known.index(each.column.name) for each in self.columns]
                return [(place, each, row[place]) for place, each in zip(places, self.columns, strict=True)]
            case list():
                names = listed([each.column.name for each in self.columns])
                message = f"has {count_of(len(row), 'cell')}; the {count_of(len(self.columns), 'input')} are {names}"
                findings.add(path, "row", message)
            case _:
                message = f"should be an object with a cell for each column, or a list of cells, not {show(row)}"
                findings.add(path, "row", message)
        return []

    def _check_names(self, row: Mapping[str, object], path: Path, findings: Findings) -> None:
        for name in row.keys() - self.known if self.known else ():
            message = f"there is no column {name[:64]}{did_you_mean(name, self.known)}"
            findings.add((*path, name), "column", message, self.known)
        missing = [each.column.name for each in self.columns if each.column.name not in row]
        if missing:
            message = f"has no cell for {listed(missing)}: send null where a cell is empty"
            findings.add(path, "missing_column", message)

    def _read_sequences(self, rows: Sequence[object], steps: StepRows, findings: Findings) -> Inputs:
        """Reads sequences: each is a list of steps, or the steps were sent one by one with the id of their sequence."""
        if all(isinstance(row, dict) for row in rows):
            return self._group_steps(rows, steps, findings)
        notes: list[list[str]] = [[] for _ in rows]
        sequences = []
        for index, row in enumerate(rows):
            steps_of = self._list_steps(row, ("rows", index), findings)
            paths = [("rows", index, place) for place in range(len(steps_of))]
            sequences.append(
                [self._read_row(*each, findings, notes[index]) for each in zip(steps_of, paths, strict=True)]
            )
        findings.check()
        return Inputs(self._stack(sequences), notes)

    def _list_steps(self, row: object, path: Path, findings: Findings) -> list[Any]:
        """Returns the steps of a sequence; none, with a problem, if they are not as many as the model can read."""
        lengths = self.plan.data.lengths
        low, high = (self.shape[0],) * 2 if lengths is None else (1, lengths.maximum)
        if isinstance(row, list) and low <= len(row) <= high:
            return row
        found = f"has {len(row):,}" if isinstance(row, list) else f"is {show(row)}"
        span = f"{high:,}" if low == high else f"{low:,} to {high:,}"
        findings.add(path, "row", f"should be a list of {span} steps, as in the data set, but {found}")
        return []

    def _group_steps(self, rows: Sequence[Any], steps: StepRows, findings: Findings) -> Inputs:
        """Reads steps that were sent one by one, in any order."""
        groups: dict[str, list[int]] = {}
        keys = [key for key in (steps.id, steps.order) if key is not None]
        for index, row in enumerate(rows):
            for key in keys:
                if row.get(key) is None:
                    message = f"has no {key}: the steps of a sequence have its id, or send each as a list of its steps"
                    findings.add(("rows", index), "missing_column", message)
            groups.setdefault(name_sequence(row.get(steps.id)), []).append(index)
        findings.check()
        order = None if steps.order is None else self._places(rows, steps.order, findings)
        notes: list[list[str]] = [[] for _ in groups]
        sequences = []
        for number, places in enumerate(groups.values()):
            ordered = places if order is None else sorted(places, key=order.__getitem__)
            self._list_steps(ordered, ("rows", places[0]), findings)
            sequences.append(
                [self._read_row(rows[place], ("rows", place), findings, notes[number]) for place in ordered]
            )
        findings.check()
        return Inputs(self._stack(sequences), notes, list(groups))

    def _places(self, rows: Sequence[Any], name: str, findings: Findings) -> list[float]:
        """Returns the numbers by which the steps are in order."""
        column = next(each for each in self.plan.card.columns or () if each.name == name)
        place = Input(name, "date" if column.kind == "date" else "number", form=column.form)
        reader = make_reader(place, fills_gaps=False)
        places = []
        for index, row in enumerate(rows):
            try:
                places.append(reader.read(row[name], []))
            except CellRefused as error:
                findings.add(("rows", index, name), "cell", str(error))
        findings.check()
        return places

    def _stack(self, sequences: Sequence[Sequence[Sequence[float]]]) -> Array:
        """Returns sequences as one array, each padded to the longest."""
        steps = np.array(list(chain.from_iterable(sequences)), np.float64).astype(self.dtype)
        lengths = np.array([len(sequence) for sequence in sequences])
        return pad_steps(steps, lengths, int(lengths.max()), self.plan.data.padding)

    def _read_arrays(self, rows: Sequence[object], findings: Findings) -> Inputs:
        """Reads rows of a set without named columns: lists of numbers of the set's shape."""
        is_ragged = self.plan.data.lengths is not None
        if self.plan.data.kind == "sequence":
            rows = [list_steps(row) if isinstance(row, dict) else row for row in rows]
        for index, row in enumerate(rows):
            if not is_ragged:
                check_numbers(row, self.shape, ("rows", index), findings)
            for place, step in enumerate(self._list_steps(row, ("rows", index), findings) if is_ragged else ()):
                check_numbers(step, self.shape[1:], ("rows", index, place), findings)
        findings.check()
        if is_ragged:
            return Inputs(self._stack(rows))  # type: ignore[arg-type]
        return Inputs(self.cast(np.array(rows, np.float64)))

    def cast(self, numbers: Array) -> Array:
        """Returns numbers in the precision of the model's inputs. Raises RowsRefused for one that is not finite there,
        or that a sequence has nan for."""
        with np.errstate(over="ignore"):
            found = numbers.astype(self.dtype)
        if not np.isfinite(found).all():
            place = [int(axis[0]) for axis in np.nonzero(~np.isfinite(found))]
            message = "is not a finite number of 32 bits" if self.dtype == np.float32 else "is not a finite number"
            raise RowsRefused([Problem(pointer=pointer(("rows", *place)), code="cell", message=message)])
        return found


def list_rows(document: object, max_rows: int) -> Sequence[object]:
    """Returns the list `rows` of a document. Raises RowsRefused."""
    findings = Findings()
    if not isinstance(document, dict):
        findings.add((), "type", 'should be an object with the rows, as in {"rows": [...]}')
        findings.check()
    assert isinstance(document, dict)
    for name in document.keys() - {"rows"}:
        findings.add((name,), "unknown_field", f"unknown field {name[:64]!r}{did_you_mean(name, ['rows'])}", ("rows",))
    rows = document.get("rows")
    if not isinstance(rows, list) or not rows:
        findings.add(("rows",), "rows", "should be a list of one row or more")
    elif len(rows) > max_rows:
        message = f"has {len(rows):,} rows; at most {max_rows:,} are allowed (BAKEHOUSE_MAX_PREDICTION_ROWS)"
        findings.add(("rows",), "rows", message)
    findings.check()
    assert isinstance(rows, list)
    return rows


def list_steps(row: Mapping[str, object]) -> object:
    """Returns the steps in an object of a file with a sequence in each row, such as {"walk": [[1, 2], [3, 4]]}.

    Whatever has no list, such as the label, is no part of them. Lists of one length, each of other numbers, are put
    together.
    """
    lists = [value for value in row.values() if isinstance(value, list)]
    if len({len(each) for each in lists}) != 1:
        return row
    return [list(chain.from_iterable(map(list_numbers, step))) for step in zip(*lists, strict=True)]


def list_numbers(step: object) -> list[object]:
    """Returns the numbers of a step, which may have names."""
    match step:
        case dict():
            return list(step.values())
        case list():
            return step
        case _:
            return [step]


def check_numbers(value: object, shape: Sequence[int], path: Path, findings: Findings) -> None:
    """Notes what is not a list of numbers of this shape."""
    if not shape:
        if isinstance(value, bool) or not isinstance(value, int | float):
            findings.add(path, "cell", f"should be a number, not {show(value)}")
        elif not abs(as_float(value)) <= LARGEST:
            findings.add(path, "cell", f"{show(value)} is not a number that a model can use: at most {LARGEST:g}")
        return
    if isinstance(value, dict):
        findings.add(path, "row", f"the data set has no named columns: send a list of {' x '.join(map(str, shape))}")
    elif not isinstance(value, list) or len(value) != shape[0]:
        found = f"a list of {len(value)}" if isinstance(value, list) else show(value)
        inner = f"lists of {' x '.join(map(str, shape[1:]))} numbers" if len(shape) > 1 else "numbers"
        findings.add(path, "row", f"should be a list of {shape[0]} {inner}, not {found}")
    else:
        for place, each in enumerate(value):
            check_numbers(each, shape[1:], (*path, place), findings)


def name_sequence(value: object) -> str:
    """Returns the id of a sequence, which may be a number or a text."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
