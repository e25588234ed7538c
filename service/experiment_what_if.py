"""Says what other early stopping would have done to the runs of an experiment."""

from bakehouse.experiments.what_if import ExperimentWhatIf, what_if_of_experiment
from bakehouse.recipe.problems import RecipeInvalid
from bakehouse.what_if import WhatIf, curve_of
from bakehouse.what_if import what_if as answer_what_if
from bakehouse.what_if_question import read_question, refuse_long_work
from service.dependencies import Services
from service.errors import InvalidRequest
from service.metrics import read_all_events


def ask_what_if(services: Services, experiment_id: str, document: object) -> ExperimentWhatIf:
    """Returns the answers to the settings in a document. Raises InvalidRequest."""
    try:
        return what_if(services, experiment_id, document)
    except RecipeInvalid as error:
        raise InvalidRequest(*error.problems) from error


def what_if(services: Services, experiment_id: str, document: object) -> ExperimentWhatIf:
    question, runs = services.experiments.question(experiment_id)
    monitors = {arm.name: arm.monitor for arm in question.arms}
    settings = {each: read_question(document, monitor=each) for each in dict.fromkeys(monitors.values())}
    found: dict[str, list[WhatIf]] = {}
    epochs = 0
    for each in runs:
        asked = settings[monitors[each.arm]]
        run = services.store.record(each.run)
        events = read_all_events(services.store, each.run)
        curve = curve_of(events, monitor=monitors[each.arm], epochs=run.recipe.epochs)
        epochs += len(curve.measured)
        refuse_long_work(asked, epochs)
        if curve.measured:
            found.setdefault(each.arm, []).append(answer_what_if(each.run, curve, asked.early_stopping))
    return what_if_of_experiment(question, found)
