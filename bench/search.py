"""Compares searches by TPE with random ones of as many trials on digits: `python -m bench.search`, about a minute.

Each trial trains in this process; the best validation accuracy of a search is compared with the median of the random
ones.
"""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

from bakehouse.data.catalog import Catalog
from bakehouse.experiments.document import Search
from bakehouse.experiments.search import SearchQuestion, Trial, advance
from bakehouse.model import JsonObject
from bakehouse.prepare import Limits, prepare
from bakehouse.recipe.read import read_recipe
from bakehouse.settings import Settings
from bench.report import spread
from worker.data.dataset import load_data
from worker.device import open_device
from worker.training.events import EpochLog, NonFinite
from worker.training.training import Training

REPEATS = 5
TRIALS = 24
RECIPE = {
    "dataset": {"id": "digits", "validation_fraction": 0.5},
    "architecture": {"type": "mlp", "hidden": [64]},
    "epochs": 4,
}
SPACE = {
    "/optimizer/lr": {"type": "log_uniform", "low": 1e-5, "high": 1.0},
    "/dropout": {"type": "uniform", "low": 0, "high": 0.8},
    "/norm": {"type": "choice", "values": ["none", "batch_norm", "layer_norm"]},
}


def main() -> None:
    """Prints the best accuracy of each kind of search."""
    with TemporaryDirectory() as folder:
        catalog = Catalog(Settings(home=Path(folder)))
        best = {
            sampler: [best_value(sampler, repeat, catalog) for repeat in range(REPEATS)]
            for sampler in ("random", "tpe")
        }
    median = statistics.median(best["random"])
    print("| sampler | best validation accuracy | searches above the median of the random ones |\n|---|---|---|")
    for sampler, values in best.items():
        print(f"| {sampler} | {spread(values)} | {sum(value > median for value in values)} of {len(values)} |")


def best_value(sampler: str, repeat: int, catalog: Catalog) -> float:
    """Carries out a search, one trial after the other; returns the best accuracy."""
    design = Search.model_validate({"type": "search", "space": SPACE, "trials": TRIALS, "sampler": sampler})
    question = SearchQuestion(design, read_recipe(RECIPE), is_higher_better=True, seed=repeat)
    trials: list[Trial] = []
    while created := advance(question, trials, slots=1).create:
        for new in created:
            assert new.recipe is not None
            value = train({**new.recipe, "seed": repeat}, catalog)
            status = "failed" if value is None else "succeeded"
            trials.append(Trial(new.number, new.parameters, status, value))  # type: ignore[arg-type]
    return max(trial.value for trial in trials if trial.value is not None)


def train(recipe: JsonObject, catalog: Catalog) -> float | None:
    """Trains a recipe; returns its best validation accuracy, or None if the loss is not finite."""
    plan = prepare(recipe, catalog, Limits(parameters=10**9)).plan
    settings = Settings(device="cpu")
    training = Training(
        plan, load_data(plan, catalog.folder(plan.card.id), open_device(settings)), open_device(settings), {}
    )
    try:
        return max(event.metrics["validation_accuracy"] for event in training.run() if isinstance(event, EpochLog))
    except NonFinite:
        return None


if __name__ == "__main__":
    main()
