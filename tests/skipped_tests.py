"""Prints which tests were skipped and why; with `BAKEHOUSE_TEST_REQUIRE_ALL=1` a skipped test is a failure."""

import os
from collections import Counter

import pytest

SKIPPED: pytest.StashKey[Counter[str]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = Counter()
    config.pluginmanager.register(SkipCounter(config.stash[SKIPPED]))


class SkipCounter:
    """Counts skipped tests by reason."""

    def __init__(self, reasons: Counter[str]) -> None:
        self.reasons = reasons

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        # An expected failure is reported as skipped too, but it ran.
        if report.skipped and not hasattr(report, "wasxfail"):
            self.reasons[reason(report)] += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.reasons[reason(report)] += 1


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason that the test gave for skipping."""
    match report.longrepr:
        case (_, _, text):
            return str(text).removeprefix("Skipped: ")
        case other:
            return str(other)


def is_strict() -> bool:
    """Whether every test must run."""
    return os.environ.get("BAKEHOUSE_TEST_REQUIRE_ALL") == "1"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash[SKIPPED] and is_strict() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for text, count in config.stash[SKIPPED].most_common():
        verdict = "must not be skipped" if is_strict() else "skipped"
        terminalreporter.write_line(f"{verdict}: {count} x {text}")
