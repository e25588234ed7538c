"""`bakehouse up`: runs a home and prints its address."""

import sys

from bakehouse.cli.home.home import Home, program, run_home, say_on_stderr
from bakehouse.plurals import count_of
from bakehouse.settings import Settings, available_cores


def run_until_interrupted() -> None:
    """Runs Redis, the service and the workers until Ctrl-C."""
    run_home(Settings(), on_ready=print_address)


def print_address(ready: Home) -> None:
    print(ready.url, flush=True)
    # Clients find the default address without a setting.
    is_default = ready.url == Settings.model_construct().base_url
    setting = "" if is_default else f"BAKEHOUSE_URL={ready.url} "
    workers = f"{count_of(ready.workers, 'worker')} on {count_of(available_cores(), 'core')}"
    say_on_stderr(f"the page is at this address; {workers}; running until Ctrl-C; logs are in {ready.logs}")
    if ready.is_open_to_others:
        say_on_stderr("INSECURE: without API keys, everybody who reaches this machine may do everything here")
    print(f"  next: {setting}{program()} run RECIPE", file=sys.stderr, flush=True)
