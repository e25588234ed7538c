"""Defines the errors of short tasks, such as previews.

ServiceError
├── TaskOutOfMemory             422  task_out_of_memory
├── TaskInternal                500  task_failed
├── NoTaskProcess               503  no_task_process
├── TooManyTasks                503  too_many_tasks
├── TaskTimeout                 503  task_timeout
└── TaskInterrupted             503  task_interrupted
"""

from service.errors import RETRY_SECONDS, ServiceError

# A task process that was killed is back sooner, but one that starts needs seconds.
TASK_PROCESS_SECONDS = "5"


class NoTaskProcess(ServiceError):
    """Raised if no task process has reported recently."""

    name = "no_task_process"
    headers = {"Retry-After": TASK_PROCESS_SECONDS}

    def __init__(self) -> None:
        super().__init__(
            "No task process is running. Each machine with workers has one: `bakehouse up` and `bakehouse worker` "
            "start it."
        )


class TooManyTasks(ServiceError):
    """Raised if the queue of tasks is full."""

    name = "too_many_tasks"
    headers = {"Retry-After": RETRY_SECONDS}

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} tasks wait already, which is the limit.")


class TaskTimeout(ServiceError):
    """Raised if a task took too long, or no task process has taken it in time."""

    name = "task_timeout"
    headers = {"Retry-After": TASK_PROCESS_SECONDS}

    def __init__(self, why: str) -> None:
        super().__init__(
            f"There is no answer yet: {why}. Large data sets take longer, and so do tasks before this one."
        )


class TaskInterrupted(ServiceError):
    """Raised if the process that carried out a task was killed."""

    name = "task_interrupted"
    headers = {"Retry-After": RETRY_SECONDS}

    def __init__(self, why: str) -> None:
        super().__init__(f"The task was interrupted: {why}. Send the request again.")


class TaskOutOfMemory(ServiceError):
    """Raised if a task needs more memory than it may use."""

    name = "task_out_of_memory"

    def __init__(self) -> None:
        super().__init__(
            "The data set, or the rows that were sent, are too large for a task process, which may use 2 GiB."
        )


class TaskInternal(ServiceError):
    """Raised if a task has failed because of an error of Bakehouse."""

    name = "task_failed"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why[:1].upper()}{why[1:]}; the log of the workers has the details.")
