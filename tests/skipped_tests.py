"""Says which tests were left out and why; with `BAKEHOUSE_TEST_REQUIRE_ALL=1` leaving one out is a failure."""

import os
from collections import Counter

import pytest

SKIPPED: pytest.StashKey[Counter[str]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPPED] = Counter()
    config.pluginmanager.register(RecordStore(config.stash[SKIPPED]))


class RecordStore:
    """Counts what was left out, by its reason."""

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
    """What the test said when it skipped."""
    match report.longrepr:
        case (_, _, text):
            return str(text).removeprefix("Skipped: ")
        case other:
            return str(other)


def is_strict() -> bool:
    """Whether nothing may be left out."""
    return os.environ.get("BAKEHOUSE_TEST_REQUIRE_ALL") == "1"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash[SKIPPED] and is_strict() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for why, count in config.stash[SKIPPED].most_common():
        verdict = "must not be left out" if is_strict() else "left out"
        terminalreporter.write_line(f"{verdict}: {count} x {why}")
