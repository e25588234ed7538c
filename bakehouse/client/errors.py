"""What can go wrong between a client and the service. Each error's text is for the user.

ClientError
├── Unreachable            the service does not answer
├── ClientClosed           the client was closed meanwhile
├── UnexpectedAnswer       it answers something that this version does not understand
├── RunTimeout             a run was not over in time; it goes on
├── DownloadDamaged        a file that came is not the one that was asked for
└── Refused                the service answered with a problem (RFC 9457)
    ├── RecipeRefused      400, 422: `errors` says what and where
    ├── NotAllowed         401, 403
    ├── NotFound           404
    ├── Conflict           409: the state of things forbids it
    ├── TooManyRequests    429
    └── Unavailable        5xx
"""

from typing import ClassVar

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError


class ClientError(Exception):
    """Any of the errors above."""

    is_passing: ClassVar[bool] = False
    """Whether asking again may help."""
    retry_after: float | None = None
    """Seconds that the service asked to wait."""


class Unreachable(ClientError):
    """The service does not answer."""

    is_passing = True

    def __init__(self, url: str, why: object) -> None:
        super().__init__(f"no service answers at {url} ({str(why) or type(why).__name__})")
        self.url = url


class ClientClosed(ClientError):
    """The client was closed meanwhile."""

    def __init__(self) -> None:
        super().__init__("this client was closed")


class UnexpectedAnswer(ClientError):
    """The service answers something that this version does not understand."""

    def __init__(self, url: str, why: object) -> None:
        super().__init__(f"{url} answered what this client does not understand: {why}")
        self.url = url


class RunTimeout(ClientError):
    """A run was not over in time; it goes on."""

    def __init__(self, run_id: str, seconds: float) -> None:
        super().__init__(f"the run {run_id} was not over within {seconds:g} s; it goes on")
        self.run_id, self.seconds = run_id, seconds


class DownloadDamaged(ClientError):
    """A file that came is not the one that was asked for."""

    def __init__(self, what: str, *, expected: str, found: str) -> None:
        super().__init__(f"{what} has the sha256 {found}, not {expected}; what came was thrown away")
        self.what, self.expected, self.found = what, expected, found


class ErrorDetail(BaseModel):
    """One thing that is wrong with a request: where in the body, or which parameter."""

    model_config = ConfigDict(frozen=True)

    pointer: str | None = None
    parameter: str | None = None
    code: str
    message: str
    allowed: tuple[str, ...] | None = None

    def __str__(self) -> str:
        where = self.pointer or self.parameter
        return f"{where}  {self.message}" if where else self.message


class ProblemDocument(BaseModel):
    """`application/problem+json`; whatever else it says is passed over."""

    model_config = ConfigDict(frozen=True)

    type: str = "about:blank"
    title: str = ""
    status: int
    detail: str | None = None
    instance: str | None = None
    request_id: str | None = None
    errors: tuple[ErrorDetail, ...] = ()


class Refused(ClientError):
    """The service answered with a problem."""

    def __init__(self, problem: ProblemDocument, *, retry_after: float | None = None) -> None:
        said = problem.detail or problem.title or f"the service answered {problem.status}"
        super().__init__("\n  ".join([said, *map(str, problem.errors)]))
        self.problem, self.retry_after = problem, retry_after
        self.status, self.detail, self.request_id = problem.status, problem.detail, problem.request_id
        self.errors = problem.errors


class RecipeRefused(Refused):
    """The document cannot be used; `errors` says what and where."""


class NotAllowed(Refused):
    """Without a key, or with one that may not do this."""


class NotFound(Refused):
    """No such thing."""


class Conflict(Refused):
    """The state of things forbids it."""


class TooManyRequests(Refused):
    """A limit is reached."""

    is_passing = True


class Unavailable(Refused):
    """The service cannot answer now."""

    is_passing = True


BY_STATUS: dict[int, type[Refused]] = {
    400: RecipeRefused, 401: NotAllowed, 403: NotAllowed, 404: NotFound, 409: Conflict, 422: RecipeRefused,
    429: TooManyRequests,
}  # fmt: skip


def refusal(response: httpx.Response) -> Refused:
    """The error that an answer of 400 and above tells of; proxies between answer in forms of their own."""
    try:
        problem = ProblemDocument.model_validate_json(response.content, extra="ignore")
    except ValidationError:
        title = f"the service answered {response.status_code} {response.reason_phrase}"
        problem = ProblemDocument(
            title=title, status=response.status_code, request_id=response.headers.get("x-request-id")
        )
    kind = Unavailable if problem.status >= 500 else BY_STATUS.get(problem.status, Refused)
    return kind(problem, retry_after=seconds(response.headers.get("retry-after")))


def seconds(retry_after: str | None) -> float | None:
    """Of a Retry-After header; its date form is not waited for."""
    return float(retry_after) if retry_after is not None and retry_after.isdecimal() else None
