"""Says what other early stopping would have done to the runs of an experiment."""

from collections.abc import Iterator

from bakehouse.experiments.stored_answers import read_comparison
from bakehouse.experiments.what_if import ExperimentWhatIf, what_if_of_experiment
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.runs.run import Event
from bakehouse.what_if import WhatIf, curve_of
from bakehouse.what_if import what_if as answer_what_if
from bakehouse.what_if_question import read_question, refuse_long_work
from service.dependencies import Services
from service.errors import InvalidRequest

USUAL_MONITOR = "validation_loss"


def ask_what_if(services: Services, experiment_id: str, document: object) -> ExperimentWhatIf:
    """Returns the answers to the settings in a document. Raises InvalidRequest."""
    try:
        return what_if(services, experiment_id, document)
    except RecipeInvalid as error:
        raise InvalidRequest(*error.problems) from error


def what_if(services: Services, experiment_id: str, document: object) -> ExperimentWhatIf:
    question, runs = read_comparison(services.experiments, experiment_id)
    monitors = {arm.name: arm.monitor for arm in question.arms}
    # A search has no arms before its first trial.
    asked = dict.fromkeys(monitors.values() or [USUAL_MONITOR])
    settings = {each: read_question(document, monitor=each) for each in asked}
    records = {each.run: services.store.record(each.run) for each in runs}
    refuse_long_work(next(iter(settings.values())), sum(record.progress.epoch for record in records.values()))
    found: dict[str, list[WhatIf]] = {}
    for each in runs:
        monitor = monitors[each.arm]
        curve = curve_of(epochs_of(services, each.run), monitor=monitor, epochs=records[each.run].recipe.epochs)
        if curve.measured:
            found.setdefault(each.arm, []).append(answer_what_if(each.run, curve, settings[monitor].early_stopping))
    return what_if_of_experiment(question, found)


def epochs_of(services: Services, run_id: str) -> Iterator[Event]:
    """Yields the events of a run's epochs; the others, of which there are many more, are not parsed."""
    return (event.parse() for event in services.store.logs.whole(run_id) if event.type == "epoch")
