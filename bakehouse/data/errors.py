"""Why a data set cannot be used.

DatasetError
├── DatasetNotFound   no data set has this name
├── DatasetAbsent     the name is known, but the files are not on this machine
├── DatasetBroken     the files cannot be used
├── DatasetChanged    the files have changed since a run was submitted
└── DatasetNotReady   the files are being packed
UnusableSource        what a reader found wrong with the files
"""


class DatasetError(Exception):
    """A data set cannot be used now; `name` says which."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class DatasetNotFound(DatasetError):
    """No data set has this name; `nearest` has the most similar names, `allowed` all of them."""

    def __init__(self, name: str, *, nearest: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        super().__init__(name, f"there is no data set {name}{hint}")
        self.nearest = nearest
        self.allowed = allowed


class DatasetAbsent(DatasetError):
    """The files are not on this machine; `instructions` say how to get them."""

    def __init__(self, name: str, instructions: str) -> None:
        super().__init__(name, f"the files of {name} are not on this machine: {instructions}")
        self.instructions = instructions


class DatasetBroken(DatasetError):
    """The files cannot be used; `problem` says what is wrong and where."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, f"{name} cannot be used: {problem}")
        self.problem = problem


class DatasetChanged(DatasetError):
    """The files have changed since a run was submitted."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"The data set {name} has changed since this run was submitted. Submit the recipe again to train on the "
            "new data; to train on the old data, put the old files back first.",
        )


class DatasetNotReady(DatasetError):
    """The files are being packed; ask again after `retry_after` seconds."""

    def __init__(self, name: str, *, retry_after: int) -> None:
        super().__init__(name, f"{name} is being packed; try again in {retry_after} s")
        self.retry_after = retry_after


class UnusableSource(ValueError):
    """Says what is wrong with the files of a data set, and where."""
