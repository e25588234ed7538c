from bakehouse.cli.exit_codes import exit_code_of
from bakehouse.cli.experiments.board import Board
from bakehouse.cli.experiments.watching import ending_text
from bakehouse.client.reading import ExperimentState
from bakehouse.experiments.answer import FailedRun
from bakehouse.experiments.experiment import ExperimentRun, MissingRun
from bakehouse.experiments.results import compute_results
from tests.experiments.measured_arms import ask, runs_of


def test_runs_that_were_given_up_are_over_and_those_that_wait_are_not() -> None:
    failed = ExperimentRun(run="run_0", arm="teacher", seed=0, fold=None, status="failed", reused=False)
    running = failed.model_copy(update={"run": "run_1", "seed": 1, "status": "running"})
    given_up = MissingRun(arm="student", seed=0, fold=None, state="given_up", sources={}, message="")
    waiting = given_up.model_copy(update={"seed": 1, "state": "waiting"})
    board = Board(ExperimentState.model_construct(runs=(failed, running), missing=(given_up, waiting)))
    assert (board.over, board.wanted) == (2, 4)


def board_with(*states: str, message: str = "", request: str | None = None, because: str | None = None) -> Board:
    """Returns a board with a run in each state; of `given_up` it is a run that does not exist."""
    runs = tuple(
        ExperimentRun.model_validate(
            {"run": f"run_{index}", "arm": "teacher", "seed": index, "fold": None, "status": state, "reused": False}
        )
        for index, state in enumerate(states)
        if state != "given_up"
    )
    missing = tuple(
        MissingRun(arm="student", seed=index, fold=None, state="given_up", sources={}, run=because, message=message)
        for index, state in enumerate(states)
        if state == "given_up"
    )
    return Board(ExperimentState.model_construct(status="finished", runs=runs, missing=missing, request=request))


def test_the_end_of_an_experiment_says_what_was_trained_and_why_the_rest_was_not() -> None:
    assert ending_text(board_with("succeeded", "succeeded")) == "finished, 2 runs: 2 trained"
    board = board_with("failed", "succeeded", "given_up", because="run_0")
    reason = "The run was not trained because run_0 of the arm 'teacher' failed with diverged: It diverged."
    values = {"teacher": (None, 0.9), "student": ()}
    results = compute_results(ask(values), runs_of(values))
    failure = FailedRun(run="run_0", seed=0, code="not_created", message=reason)
    student = results.arms[1].model_copy(update={"failed": (failure,)})
    board.results = results.model_copy(update={"arms": (results.arms[0], student)})
    assert ending_text(board) == f"finished, 3 runs: 1 trained, 1 failed, 1 given up: {reason}"
    stopped = board_with("succeeded", "given_up", message="was not created before the experiment was stopped")
    assert ending_text(stopped) == (
        "finished, 2 runs: 1 trained, 1 given up: the first one was not created before the experiment was stopped"
    )


def test_runs_that_were_given_up_are_in_the_exit_code() -> None:
    assert exit_code_of(board_with("succeeded", "succeeded").endings()) == 0
    assert exit_code_of(board_with("succeeded", "given_up").endings()) == 5
    assert exit_code_of(board_with("cancelled", "given_up", because="run_0").endings()) == 5
    assert exit_code_of(board_with("failed", "given_up", because="run_0").endings()) == 1
    # It was refused although the run has succeeded that it builds on.
    assert exit_code_of(board_with("succeeded", "given_up", because="run_0").endings()) == 1
