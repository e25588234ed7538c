"""Why a data set cannot be used.

DatasetError
├── DatasetNotFound   no set has this name
├── DatasetAbsent     known by name, its files are not on this machine
├── DatasetBroken     its files cannot be used
├── DatasetChanged    its files are not those that a run was submitted with
└── DatasetNotReady   it is being packed
UnusableSource        what a parser says of the files it was given
"""


class DatasetError(Exception):
    """A data set cannot be used now; `name` says which."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class DatasetNotFound(DatasetError):
    """No set has this name; `nearest` has the names most like it, `allowed` all of them."""

    def __init__(self, name: str, *, nearest: tuple[str, ...], allowed: tuple[str, ...]) -> None:
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        super().__init__(name, f"there is no data set {name}{hint}")
        self.nearest = nearest
        self.allowed = allowed


class DatasetAbsent(DatasetError):
    """The set's files are not on this machine; `how` says where they come from."""

    def __init__(self, name: str, how: str) -> None:
        super().__init__(name, f"the files of {name} are not on this machine: {how}")
        self.how = how


class DatasetBroken(DatasetError):
    """The set's files cannot be used; `problem` says what is wrong and where."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(name, f"{name} cannot be used: {problem}")
        self.problem = problem


class DatasetChanged(DatasetError):
    """The set's files are not those that a run was submitted with."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"The data set {name} has changed since this run was submitted. Submit the recipe again to train on the "
            "new data; to train on the old data, put the old files back first.",
        )


class DatasetNotReady(DatasetError):
    """The set is being packed; ask again after `retry_after` seconds."""

    def __init__(self, name: str, *, retry_after: int) -> None:
        super().__init__(name, f"{name} is being packed; try again in {retry_after} s")
        self.retry_after = retry_after


class UnusableSource(ValueError):
    """What is wrong with the files of a data set, and where."""
