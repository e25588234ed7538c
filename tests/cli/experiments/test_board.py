from bakehouse.cli.experiments.board import Board
from bakehouse.client.reading import ExperimentState
from bakehouse.experiments.experiment import ExperimentRun, MissingRun


def test_runs_that_were_given_up_are_over_and_those_that_wait_are_not() -> None:
    failed = ExperimentRun(run="run_0", arm="teacher", seed=0, fold=None, status="failed", reused=False)
    running = failed.model_copy(update={"run": "run_1", "seed": 1, "status": "running"})
    given_up = MissingRun(arm="student", seed=0, fold=None, state="given_up", sources={}, message="")
    waiting = given_up.model_copy(update={"seed": 1, "state": "waiting"})
    board = Board(ExperimentState.model_construct(runs=(failed, running), missing=(given_up, waiting)))
    assert (board.over, board.wanted) == (2, 4)
