"""The state of a run as it is updated from the run's events."""

from bakehouse.cli.view import label_of
from bakehouse.recipe.read import read_recipe
from tests.cli.examples import a_state, a_view, an_epoch, an_event

RECIPE = {"dataset": "digits", "architecture": "mlp"}


def test_the_best_epoch_is_the_one_that_early_stopping_chose() -> None:
    view = a_view(early_stopping={"type": "patience", "patience": 3, "min_delta": 0.1})
    for event in [
        a_state("running", "claimed"),
        an_epoch(1, None, since_best=1),
        an_epoch(2, 0.9),
        an_epoch(3, 0.85, since_best=1),
        an_epoch(4, 0.7),
        an_epoch(5, 0.8, since_best=1),
    ]:
        view.observe(event)
    assert (view.best_epoch, view.best_metrics["validation_loss"], view.epoch, view.step) == (4, 0.7, 5, 115)


def test_the_time_left_is_estimated_from_the_current_attempt() -> None:
    view = a_view(early_stopping="none")
    view.observe(an_epoch(1, 0.9))
    assert view.seconds_left is None
    view.observe(an_epoch(3, 0.8))
    assert view.seconds_left == 37
    view.observe(an_epoch(9, 0.7, attempt=2))
    assert view.seconds_left is None


def test_event_types_of_a_newer_service_are_ignored() -> None:
    view = a_view()
    view.observe(an_event("diagnostic", x=1))
    assert view == a_view()


def test_the_label_is_the_name_or_the_seed_without_control_characters() -> None:
    recipe = read_recipe({**RECIPE, "name": "\x1b[2J", "seed": 3}).canonical()
    assert label_of(recipe, "run_1") == "?[2J"
    assert label_of(recipe, "run_1", by_seed=True) == "seed 3"
    assert label_of(read_recipe(RECIPE).canonical(), "run_1") == "run_1"


def test_long_names_leave_room_for_numbers() -> None:
    assert label_of(read_recipe({**RECIPE, "name": "n" * 100}).canonical(), "run_1") == "n" * 31 + "…"
