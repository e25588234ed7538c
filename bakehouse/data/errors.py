"""Exceptions that are raised if a data set cannot be used.

DatasetError
├── DatasetNotFound   no data set has this name
├── DatasetAbsent     the name is known, but the files are not on this machine
├── DatasetBroken     the files cannot be used
├── DatasetChanged    the files have changed since a run was submitted
└── DatasetNotReady   the files are being packed
UnusableSource        a reader found an error in the files
"""

from pathlib import PurePath

TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".data")
PACKED_ENDINGS = tuple(f"{ending}.gz" for ending in TEXT_ENDINGS)
ENDINGS = (".npz", *TEXT_ENDINGS, *PACKED_ENDINGS, ".zip", ".parquet", ".json", ".jsonl", ".ndjson")
"""The endings of the names of files that can be data sets."""
ARCHIVE_ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz")
"""The endings of the names of archives that can be uploaded."""


def without_ending(name: str) -> str | None:
    """Returns the name of a data set's file without its ending, or None if no data set has such an ending."""
    endings = (ending for ending in ENDINGS if name.lower().endswith(ending) and len(name) > len(ending))
    ending = max(endings, key=len, default=None)
    return None if ending is None else name[: -len(ending)]


class DatasetError(Exception):
    """Raised if a data set cannot be used now; `name` is its name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class DatasetNotFound(DatasetError):
    """Raised if no data set has this name; `nearest` lists the most similar names, `allowed` all usable names."""

    def __init__(self, name: str, *, nearest: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        hint = f"; did you mean {nearest[0]}?" if nearest else "."
        # Some name a data set by the path of its file.
        file = PurePath(name)
        own = without_ending(file.name) or file.name
        named = "" if own == name else f" A recipe names a file without its folder and ending: {own}."
        super().__init__(
            name,
            f"there is no data set {name}{hint}{named} A file of your own becomes one by `bakehouse data add "
            f"{own}.csv`, or in the folder that the setting BAKEHOUSE_DATA names when the service starts, as "
            f"{own}.csv, {own}.npz, or a folder {own} with one folder of images per class",
        )
        self.nearest = nearest
        self.allowed = allowed


class DatasetAbsent(DatasetError):
    """Raised if the files are not on this machine; `instructions` says how to get them."""

    def __init__(self, name: str, instructions: str) -> None:
        super().__init__(name, f"the files of {name} are not on this machine: {instructions}")
        self.instructions = instructions


class DatasetBroken(DatasetError):
    """Raised if the files cannot be used; `problem` says what is wrong and where."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, f"{name} cannot be used: {problem}")
        self.problem = problem


class DatasetChanged(DatasetError):
    """Raised if the files have changed since a run was submitted."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"The data set {name} has changed since this run was submitted. Submit the recipe again to train on the "
            "new data; to train on the old data, put the old files back first.",
        )


class DatasetNotReady(DatasetError):
    """Raised while the files are being packed; ask again after `retry_after` seconds."""

    def __init__(self, name: str, *, retry_after: int) -> None:
        super().__init__(name, f"{name} is being packed; try again in {retry_after} s")
        self.retry_after = retry_after


# This is no DatasetError, because a reader does not know the name of its data set.
class UnusableSource(ValueError):
    """Raised if the files of a data set cannot be packed; the message says what is wrong and where. A reader that knows
    the file, the line, the column or the entry of the archive also passes these."""

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: str | None = None,
        member: str | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.line = line
        self.column = column
        self.member = member
