"""`bakehouse doctor`: checks the system, also while the service or Redis is down."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx
from pydantic import ValidationError

from bakehouse.cli.credentials import credentials_for
from bakehouse.cli.exit_codes import ExitCode
from bakehouse.cli.formats import sanitize
from bakehouse.cli.home.redis_server import running_redis_url
from bakehouse.cli.output import print_json
from bakehouse.plurals import count_of
from bakehouse.ports import find_listener
from bakehouse.settings import Settings, is_loopback
from bakehouse.system.checks import check_system
from bakehouse.system.system import Port, Row, System, inspect

# The service itself waits for Redis for up to three seconds.
ANSWER_SECONDS = 15.0
PROBLEM_TYPES = ("urn:bakehouse:", "/problems/")
"""What the types of problems contain; those of version 0.1.0 began with `urn:`."""


def run_doctor(*, as_json: bool, fields: str | None) -> ExitCode:
    """Prints a row for each thing that was checked; returns FAILED if one of them is an error.

    If a service answers, the rows are its own; otherwise they say what this machine is like with the present settings.
    """
    settings = Settings()
    port, system = ask_service(settings.base_url, credentials_for(settings, settings.base_url))
    asked = f"the service at {port.address}"
    if system is None:
        asked = f"this machine, with BAKEHOUSE_HOME={settings.home}"
        redis_url = settings.redis_url or running_redis_url(settings.home)
        system = check_system(inspect(settings, redis_url, port))
    if as_json or fields is not None:
        print_json({"checked": asked, **system.model_dump(mode="json")}, fields)
    else:
        print(system_page(system, asked))
    return ExitCode.FAILED if system.status == "error" else ExitCode.SUCCEEDED


def ask_service(url: str, headers: Mapping[str, str]) -> tuple[Port, System | None]:
    """Returns who answers at the address, and the rows of the service if it is one that has them."""
    # A proxy that the user's environment names does not reach this machine.
    is_elsewhere = not is_loopback(urlsplit(url).hostname or "")
    try:
        address = f"{url.rstrip('/')}/v1/system"
        answer = httpx.get(address, headers=dict(headers), timeout=ANSWER_SECONDS, trust_env=is_elsewhere)
    except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL):
        return Port(address=url, holder="nobody"), None
    except httpx.TransportError as error:
        return other_program(url, f"it does not answer as a service: {str(error) or type(error).__name__}"), None
    try:
        system = System.model_validate_json(answer.content, extra="ignore")
    except ValidationError:
        return unknown_answer(url, answer), None
    return Port(address=url, holder="bakehouse", detail=f"Bakehouse {system.version}"), system


def unknown_answer(url: str, answer: httpx.Response) -> Port:
    """Returns who gave an answer that is not a list of rows: perhaps an older or a troubled Bakehouse."""
    if any(kind in answer.text for kind in PROBLEM_TYPES) and "problem+json" in answer.headers.get("content-type", ""):
        return Port(address=url, holder="bakehouse", detail=f"Bakehouse (which answers with {answer.status_code})")
    name = answer.headers.get("server", "")
    return other_program(url, f"it calls itself {name}" if name else "")


def other_program(url: str, detail: str) -> Port:
    """Returns what is known about a program that is no Bakehouse, with its process if it is one of this machine."""
    parts = urlsplit(url)
    is_here = parts.hostname is not None and is_loopback(parts.hostname)
    process = find_listener(parts.port or 80) if is_here else ""
    return Port(address=url, holder="another program", detail="; ".join(filter(None, (process, detail))))


def system_page(system: System, asked: str) -> str:
    """Returns the rows as text, each problem with what to do about it."""
    width = max(len(row.name) for row in system.data)
    errors = sum(row.status == "error" for row in system.data)
    warnings = sum(row.status == "warning" for row in system.data)
    summary = f"{count_of(errors, 'error')}, {count_of(warnings, 'warning')}" if errors or warnings else "all is well"
    return "\n".join([f"Checked: {asked}", *(row_lines(row, width) for row in system.data), summary])


def row_lines(row: Row, width: int) -> str:
    first = f"{row.status:7}  {row.name:{width}}  {row.found}"
    more = [f"{'':7}  {'':{width}}  {text}" for text in (row.problem, row.fix) if text]
    return "\n".join(sanitize(line) for line in (first, *more))
