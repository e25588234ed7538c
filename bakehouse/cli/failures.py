"""Errors as people read them: what happened, where, what to do; never a traceback."""

import sys
from collections.abc import Iterable

from pydantic import ValidationError

from bakehouse.cli.view import printable
from bakehouse.cli.watch import FAILED, NOT_ALLOWED, TIMEOUT, UNREACHABLE, USAGE
from bakehouse.client import (
    ClientError,
    NotAllowed,
    NotFound,
    RecipeRefused,
    Refused,
    RunTimeout,
    Unavailable,
    Unreachable,
)
from bakehouse.client.errors import ErrorDetail
from bakehouse.data.errors import DatasetError
from bakehouse.processes import HomeError
from bakehouse.recipe.problems import MalformedJson, Problem, RecipeError, RecipeInvalid

Explained = ClientError | RecipeError | HomeError | DatasetError | ValidationError | OSError


def report(error: Explained) -> int:
    """Says it on stderr; the exit code."""
    code, text = explain(error)
    print(f"bakehouse: {text}", file=sys.stderr)
    return code


def explain(error: Explained) -> tuple[int, str]:
    """Exit code and text."""
    match error:
        case RecipeRefused(errors=problems) | RecipeInvalid(problems=problems) if problems:
            return USAGE, problem_list(problems)
        case RecipeRefused():
            return USAGE, f"{error}{request_id(error)}"
        case ValidationError():
            return USAGE, setting_list(error)
        case MalformedJson():
            return USAGE, f"the recipe is not JSON: {error}"
        case Unreachable():
            return UNREACHABLE, f"{error}\n  start one with `bakehouse up`, or set BAKEHOUSE_URL to where it is"
        case Unavailable():
            return UNREACHABLE, f"{error}{request_id(error)}\n  it may be back in a moment: `bakehouse ls` shows it"
        case NotAllowed():
            return NOT_ALLOWED, f"{error}{request_id(error)}"
        case RunTimeout():
            return TIMEOUT, f"{error}\n  bakehouse watch {error.run_id}\n  bakehouse cancel {error.run_id}"
        case NotFound():
            return USAGE, f"{error}{request_id(error)}\n  `bakehouse ls` shows the runs that there are"
        case RecipeError() | HomeError() | DatasetError():
            return USAGE, str(error)
        case Refused():
            return FAILED, f"{error}{request_id(error)}"
        case OSError():
            return FAILED, f"{error.filename}: {error.strerror}"
        case ClientError():
            return FAILED, str(error)


def setting_list(error: ValidationError) -> str:
    """A line a setting: its name, what it is, and why that cannot be."""
    lines = [
        f"  BAKEHOUSE_{'_'.join(map(str, flaw['loc'])).upper()} is {printable(str(flaw['input']))!r}: {flaw['msg']}"
        for flaw in error.errors()
    ]
    return "\n".join(["a setting cannot be used", *lines])


def problem_list(problems: Iterable[ErrorDetail | Problem]) -> str:
    """A line a problem: where, what, and what would be right."""
    return "\n".join(["the recipe is refused", *(problem_line(problem) for problem in problems)])


def problem_line(problem: ErrorDetail | Problem) -> str:
    """`/norm/num_groups  should be ...`, and what would be right."""
    where = problem.pointer or (isinstance(problem, ErrorDetail) and problem.parameter) or "/"
    right = printable(", ".join(problem.allowed or ()))
    return printable(f"  {where}  {problem.message}") + (f"\n      right: {right}" if right else "")


def request_id(error: Refused) -> str:
    """For those who read the service's log."""
    return f" (request {error.request_id})" if error.request_id else ""
