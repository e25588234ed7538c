"""The errors of the client. Each message is written for the user.

ClientError
├── Unreachable            no service answers at the address
├── ClientClosed           the client was closed
├── UnexpectedAnswer       the response has a form that this version does not know
├── RecipeUnknown          a run's recipe has parts that this version does not know
├── RunTimeout             a run was not over in time; the run continues
├── ExperimentTimeout      an experiment was not over in time; its runs continue
├── DownloadDamaged        a downloaded file does not have the digest of its checkpoint
├── FileChanged            the file that is being uploaded changes
├── DatasetRefused         an uploaded data set cannot be used
└── Refused                the service answered with a problem document (RFC 9457)
    ├── RecipeRefused      400, 422: `errors` has a JSON pointer and a message for each problem
    │   └── ExperimentRefused   the same, of the document of an experiment
    ├── NotAllowed         401, 403
    ├── NotFound           404
    ├── Conflict           409: the state of the run does not allow the request
    ├── TooManyRequests    429
    └── Unavailable        5xx
"""

from typing import ClassVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from bakehouse.data.listing import DatasetListing
from bakehouse.recipe.problems import Problem

REQUEST_ID_HEADER = "X-Request-Id"


class ClientError(Exception):
    """Base class of the client's errors."""

    request_id: str | None = None
    """The id under which the service logs the request; None if no response was received."""
    is_transient: ClassVar[bool] = False
    """Whether the same request may succeed later."""
    retry_after: float | None = None
    """Number of seconds that the service asked to wait before the next request, or None."""


class Unreachable(ClientError):
    """Raised if no service answers at the address."""

    is_transient = True

    def __init__(self, url: str, why: object) -> None:
        super().__init__(f"no service answers at {url} ({str(why) or type(why).__name__})")
        self.url = url


class ClientClosed(ClientError):
    """Raised if a request is made after the client was closed."""

    def __init__(self) -> None:
        super().__init__("the client was closed")


class UnexpectedAnswer(ClientError):
    """Raised if a response has a form that this version of the client does not know."""

    def __init__(self, response: httpx.Response, why: object) -> None:
        super().__init__(f"the response of {response.url} has an unknown form: {why}")
        self.url = str(response.url)
        self.request_id = response.headers.get(REQUEST_ID_HEADER)


class RecipeUnknown(ClientError):
    """Raised if this version of the client has to know all of a run's recipe, and does not."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"the recipe of {run_id} has parts that this version of Bakehouse does not know; "
            "install the version of the service"
        )
        self.run_id = run_id


class RunTimeout(ClientError):
    """Raised if a run is not over in time; the run continues."""

    def __init__(self, run_id: str, seconds: float) -> None:
        super().__init__(f"run {run_id} was not over after {seconds:g} s; the run continues")
        self.run_id = run_id
        self.seconds = seconds


class ExperimentTimeout(ClientError):
    """Raised if an experiment is not over in time; its runs continue."""

    def __init__(self, experiment_id: str, seconds: float) -> None:
        super().__init__(f"experiment {experiment_id} was not over after {seconds:g} s; its runs continue")
        self.experiment_id = experiment_id
        self.seconds = seconds


class DownloadDamaged(ClientError):
    """Raised if a downloaded file does not have the digest of its checkpoint."""

    def __init__(self, name: str, *, expected: str, found: str) -> None:
        super().__init__(f"{name} has the sha256 {found} instead of {expected}; the download was discarded")
        self.name = name
        self.expected = expected
        self.found = found


class FileChanged(ClientError):
    """Raised if the file that is being uploaded changes."""

    def __init__(self, filename: str) -> None:
        super().__init__(f"{filename} has changed while it was uploaded; upload it again")
        self.filename = filename


class DatasetRefused(ClientError):
    """Raised if an uploaded data set cannot be used; `dataset.problem` says why, and `dataset.place` where."""

    def __init__(self, dataset: DatasetListing) -> None:
        super().__init__(f"{dataset.name}@{dataset.version} cannot be used: {dataset.problem}")
        self.dataset = dataset


class ProblemDocument(BaseModel):
    """The fields of an `application/problem+json` response that the client reads."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str = ""
    status: int
    detail: str | None = None
    instance: str | None = None
    request_id: str | None = None
    errors: tuple[Problem, ...] = ()


class Refused(ClientError):
    """Raised if the service answered with a problem document."""

    def __init__(self, problem: ProblemDocument, *, retry_after: float | None = None) -> None:
        summary = problem.detail or problem.title or f"the service answered {problem.status}"
        super().__init__("\n  ".join([summary, *map(str, problem.errors)]))
        self.problem = problem
        self.retry_after = retry_after
        self.status = problem.status
        self.detail = problem.detail
        self.request_id = problem.request_id
        self.errors = problem.errors


class RecipeRefused(Refused):
    """Raised if the service refused the document; `errors` has a JSON pointer and a message for each problem."""


class ExperimentRefused(RecipeRefused):
    """Raised if the service refused the document of an experiment; nothing was queued."""


class NotAllowed(Refused):
    """Raised if a request has no key, or its key does not permit the request."""


class NotFound(Refused):
    """Raised if the run, checkpoint or data set does not exist."""


class Conflict(Refused):
    """Raised if the state of the run does not allow the request."""


class TooManyRequests(Refused):
    """Raised if the client exceeds a limit on the rate or the number of requests."""

    is_transient = True


class Unavailable(Refused):
    """Raised if the service cannot answer at the moment."""

    is_transient = True


BY_STATUS: dict[int, type[Refused]] = {
    400: RecipeRefused, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict, 422: RecipeRefused,
    429: TooManyRequests,
}  # fmt: skip


def error_of(response: httpx.Response) -> Refused:
    """Returns the error for a response with a status of 400 or above, even if a proxy sent it without a problem
    document."""
    try:
        problem = ProblemDocument.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        problem = ProblemDocument(
            title=f"the service answered {response.status_code} {response.reason_phrase}",
            status=response.status_code,
        )
    if problem.request_id is None:
        problem = problem.model_copy(update={"request_id": response.headers.get(REQUEST_ID_HEADER)})
    kind = Unavailable if problem.status >= 500 else BY_STATUS.get(problem.status, Refused)
    return kind(problem, retry_after=parse_retry_after(response.headers.get("retry-after")))


def parse_retry_after(header: str | None) -> float | None:
    # If the header has a date instead of seconds, the delays of `Retries` apply.
    return float(header) if header is not None and header.isdecimal() else None
