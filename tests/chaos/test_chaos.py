"""The short form of `make chaos`: a fault of each kind, and a few more."""

from pathlib import Path

import pytest

from tests.chaos.campaign import Options, run_campaign, schedule
from tests.chaos.faults import FAULTS
from tests.chaos.report import print_report

# Kinds with different state: moments, a plateau, a curriculum, hints, a source, a cell, buffers, statistics.
KINDS = ("plateau", "self_paced", "hints", "transfer", "recurrent", "cross_iteration", "population", "monte_carlo")
SHORT = Options(seed=574, faults=40, runs=12, length=1.5, waiting=1, kinds=KINDS)


def test_whatever_is_killed_stopped_or_damaged_every_run_ends_once_with_the_same_bits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = run_campaign(tmp_path, SHORT)
    print_report(report)
    assert not report.violations, capsys.readouterr().out
    assert sum(row.injected for row in report.rows.values()) == SHORT.faults
    assert report.runs.total() >= SHORT.runs
    assert len(report.rows) + len(report.left_out) == len(FAULTS)


def test_a_seed_decides_the_faults_and_their_order() -> None:
    assert schedule(1, 100, FAULTS) == schedule(1, 100, FAULTS)
    assert schedule(1, 100, FAULTS) != schedule(2, 100, FAULTS)
    assert {planned.fault.name for planned in schedule(3, len(FAULTS), FAULTS)} == set(FAULTS)
