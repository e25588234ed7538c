"""Prints errors on stderr: what is wrong, where, and what to do. Chooses the exit code for each."""

import sys
from collections.abc import Iterable
from typing import TypeGuard

from pydantic import ValidationError

from bakehouse.access.errors import AccessError
from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.experiments.errors import ExperimentInvalid
from bakehouse.cli.formats import sanitize
from bakehouse.cli.home.errors import HomeError
from bakehouse.client import (
    ClientError,
    ExperimentRefused,
    ExperimentTimeout,
    NotAllowed,
    NotFound,
    RecipeRefused,
    Refused,
    RunTimeout,
    Unavailable,
    Unreachable,
)
from bakehouse.data.errors import DatasetError
from bakehouse.ports import PortError
from bakehouse.recipe.problems import MalformedJson, Problem, RecipeError, RecipeInvalid
from bakehouse.settings import Settings, explain_settings

ReportedError = (
    ClientError | AccessError | RecipeError | HomeError | PortError | DatasetError | ValidationError | OSError
)


def is_reported(error: Exception) -> TypeGuard[ReportedError]:
    """Returns whether an error is for the user, who can do something about it."""
    # Any other ValidationError is a bug of ours.
    if isinstance(error, ValidationError):
        return error.title == Settings.__name__
    return isinstance(error, ReportedError)


def print_error(error: ReportedError) -> ExitCode:
    """Prints the message of an error on stderr; returns the exit code."""
    code, text = explain(error)
    print(f"bakehouse: {text}", file=sys.stderr)
    return code


def explain(error: ReportedError) -> tuple[ExitCode, str]:
    """Returns the exit code and the message for an error."""
    # The first match counts, so a class has to come before its base: Refused and ClientError are near the end.
    match error:
        case RecipeRefused(errors=problems) if problems and not error.problem.type.endswith("invalid_recipe"):
            return ExitCode.USAGE, "\n".join(["the request was refused", *map(problem_line, problems)])
        case ExperimentRefused(errors=problems) | ExperimentInvalid(problems=problems) if problems:
            return ExitCode.USAGE, problem_list(problems, "the experiment")
        case RecipeRefused(errors=problems) | RecipeInvalid(problems=problems) if problems:
            return ExitCode.USAGE, problem_list(problems)
        case RecipeRefused():
            return ExitCode.USAGE, f"{error}{request_id(error)}"
        case ValidationError():
            return ExitCode.USAGE, explain_settings(error)
        case MalformedJson():
            return ExitCode.USAGE, f"the recipe cannot be read: {error}"
        case Unreachable():
            return (
                ExitCode.UNREACHABLE,
                f"{error}\n  start a service with `bakehouse up`, or set BAKEHOUSE_URL to the address of one",
            )
        case Unavailable():
            return ExitCode.UNREACHABLE, f"{error}{request_id(error)}\n  try again in a moment"
        case NotAllowed():
            return ExitCode.NOT_ALLOWED, f"{error.detail or error}{request_id(error)}{advise_on_key(error)}"
        case RunTimeout():
            return ExitCode.TIMEOUT, f"{error}\n  bakehouse watch {error.run_id}\n  bakehouse cancel {error.run_id}"
        case ExperimentTimeout():
            commands = f"bakehouse experiment watch {error.experiment_id}\n  bakehouse experiment cancel"
            return ExitCode.TIMEOUT, f"{error}\n  {commands} {error.experiment_id}"
        case NotFound() if error.problem.type.endswith("experiment_not_found"):
            return ExitCode.USAGE, f"{error}{request_id(error)}\n  `bakehouse experiment ls` lists the experiments"
        case NotFound():
            # The run exists if only a part of it is missing.
            has_run = error.problem.type.endswith(("checkpoint_not_found", "log_not_found"))
            is_dataset = error.problem.type.endswith("dataset_not_found")
            advice = "" if has_run else "\n  `bakehouse ls` lists the runs"
            advice = "\n  `bakehouse data ls` lists the data sets" if is_dataset else advice
            return ExitCode.USAGE, f"{error}{request_id(error)}{advice}"
        case AccessError() | RecipeError() | HomeError() | PortError() | DatasetError():
            return ExitCode.USAGE, str(error)
        case Refused():
            return ExitCode.FAILED, f"{error}{request_id(error)}"
        case OSError():
            return ExitCode.FAILED, f"{error.filename}: {error.strerror}"
        case ClientError():
            return ExitCode.FAILED, str(error)


def problem_list(problems: Iterable[Problem], refused: str = "the recipe") -> str:
    """Returns what was refused, and its problems, one per line."""
    return "\n".join([f"{refused} was refused", *(problem_line(problem) for problem in problems)])


def problem_line(problem: Problem) -> str:
    """Returns where the problem is, what is wrong, and which values are allowed."""
    where = problem.pointer or problem.parameter or "/"
    allowed = sanitize(", ".join(problem.allowed or ()))
    return sanitize(f"  {where}  {problem.message}") + (f"\n      allowed: {allowed}" if allowed else "")


def advise_on_key(error: NotAllowed) -> str:
    """Returns what to do if a request was refused for its API key."""
    is_unknown = error.problem.type.endswith("unauthorized")
    # A proxy, or the rules for pages of other sites, may refuse a request too.
    if not is_unknown and not error.problem.type.endswith("scope_missing"):
        return ""
    settings = Settings()
    makes_one = "whoever runs the service makes one with `bakehouse keys create`"
    if settings.api_key is None and settings.api_key_file is None:
        return f"\n  set BAKEHOUSE_API_KEY_FILE to a file with an API key, or BAKEHOUSE_API_KEY to the key; {makes_one}"
    name = "BAKEHOUSE_API_KEY" if settings.api_key is not None else "BAKEHOUSE_API_KEY_FILE"
    if is_unknown:
        return f"\n  this service does not accept the key in {name}: correct it, or ask for another; {makes_one}"
    return f"\n  the key in {name} is valid, but does not permit this: ask for one that does; {makes_one}"


def request_id(error: Refused) -> str:
    # The service logs the request under the same id.
    return f" (request {error.request_id})" if error.request_id else ""
