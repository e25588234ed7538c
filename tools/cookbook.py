# ruff: noqa: INP001
"""Stores the answer of a finished experiment in the cookbook, and writes the table into its page.

    BAKEHOUSE_URL=http://127.0.0.1:8000 python -m tools.cookbook little_data exp_…

writes `cookbook/little_data/results.json`, and the table of the README.md beside it. The experiment has to be that of
`experiment.json`: `bakehouse cookbook little_data` asks it. `--what-if '[3, 5]'` also stores what other early stopping
would have done. Without arguments, the tables of all pages are written again from the stored answers.
"""

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bakehouse.cli.experiments.looking import what_if_row
from bakehouse.client import Client, ClientExperiment
from bakehouse.cookbook_files import EXPERIMENT, PAGE, RESULTS
from bakehouse.experiments.answer import ArmResult, Results
from bakehouse.experiments.document import ExperimentDocument, Search, read_document
from bakehouse.experiments.report import (
    Block,
    Items,
    Paragraph,
    Table,
    answer_table,
    cost_table,
    effects_table,
    effects_text,
    has_main_effects,
    importance_table,
    method_text,
    search_text,
)
from bakehouse.experiments.report_formats import as_markdown
from bakehouse.experiments.trials import CONFIRMED
from bakehouse.experiments.what_if import ExperimentWhatIf, PooledAnswer
from bakehouse.experiments.words import chosen_text, value_text
from bakehouse.json_text import json_lines
from bakehouse.plurals import count_of
from bakehouse.recipe.read import parse_json
from bakehouse.study import MeasuredAnswer
from bakehouse.study_recipes import MOST_ARMS

FOLDER = Path(__file__).parents[1] / "cookbook"
TABLE = re.compile(r"(?<=<!-- table -->\n).*(?=<!-- end -->)", re.DOTALL)
# The levels of `results.json` that have lines: the answer, its results, and the arms or effects of these.
LEVELS = 3
SAME = ("name", "recipe", "seeds", "folds", "design", "metric")
"""The fields of an experiment's document that make it the same question."""
LEFT_OUT = ("differs in", "parameters", "seconds")
"""The columns of what arms took that a page does not show: the time is that of one machine."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.cookbook", description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", help="the question: a folder of cookbook/")
    parser.add_argument("experiment", nargs="?", help="the id of the finished experiment")
    parser.add_argument("--what-if", type=json.loads, metavar="JSON", help="settings of early stopping to ask about")
    given = parser.parse_args(arguments)
    if given.name is None:
        for results in sorted(FOLDER.glob(f"*/{RESULTS}")):
            write_table(results.parent)
        return
    with Client() as client:
        store(FOLDER / given.name, client.experiment(given.experiment), client, given.what_if)


def store(folder: Path, experiment: ClientExperiment, client: Client, settings: Sequence[object] | None = None) -> None:
    """Writes the answer of an experiment and its table into the folder of its question."""
    refuse_other_question(experiment, document_in(folder))
    answer = measure(experiment, client, settings)
    text = json_lines(answer.model_dump(mode="json", exclude_defaults=True), LEVELS)
    (folder / RESULTS).write_text(text + "\n", encoding="utf-8")
    write_table(folder)


def refuse_other_question(experiment: ClientExperiment, document: ExperimentDocument) -> None:
    if experiment.status != "finished":
        raise SystemExit(f"{experiment.id} is {experiment.status}; only a finished experiment has its answer")
    asked = read_document(experiment.record.plain_document)
    if different := [name for name in SAME if getattr(asked, name) != getattr(document, name)]:
        raise SystemExit(f"{experiment.id} is not the experiment of {EXPERIMENT}: {', '.join(different)} differ")


def measure(experiment: ClientExperiment, client: Client, settings: Sequence[object] | None) -> MeasuredAnswer:
    """Returns the answer of a finished experiment, with the day and the versions of its runs."""
    runs = [client.run(each.run).record for each in experiment.runs]
    versions = {run.provenance.versions["torch"] for run in runs if run.provenance}
    return MeasuredAnswer(
        measured_on=max(run.finished_at for run in runs if run.finished_at)[:10],
        versions=tuple(f"torch {version}" for version in sorted(versions)),
        results=experiment.results(),
        what_if=experiment.what_if(settings) if settings else None,
    )


def write_table(folder: Path) -> None:
    """Writes the table of a stored answer into the page."""
    answer = MeasuredAnswer.model_validate_json((folder / RESULTS).read_text(encoding="utf-8"))
    text = table_text(answer, document_in(folder))
    page = folder / PAGE
    page.write_text(TABLE.sub(lambda _: text, page.read_text(encoding="utf-8")), encoding="utf-8")


def document_in(folder: Path) -> ExperimentDocument:
    return read_document(parse_json((folder / EXPERIMENT).read_text(encoding="utf-8")))


def table_text(answer: MeasuredAnswer, document: ExperimentDocument) -> str:
    """Returns the tables of an answer as Markdown, and a line about how it was measured."""
    return as_markdown([*blocks(answer, document)])


def blocks(answer: MeasuredAnswer, document: ExperimentDocument) -> Iterator[Block]:
    results = answer.results
    if isinstance(document.design, Search):
        yield winners_table(results)
        if results.search is not None and results.search.importances:
            yield importance_table(results.search.importances)
    elif len(results.arms) <= MOST_ARMS:
        yield beside(answer_table(results), cost_table(results), left_out=LEFT_OUT)
    if has_main_effects(results):
        yield effects_table(results)
    if answer.what_if is not None:
        yield what_if_table(answer.what_if)
        yield Paragraph("Lost: by how much the monitor at the best epoch is worse than at the best of all epochs.")
    if results.warnings:
        yield Items(tuple(caution.message for caution in results.warnings))
    yield Paragraph(
        f"{how_measured(document, results)} Measured on {answer.measured_on} with {', '.join(answer.versions)}."
    )


def beside(left: Table, right: Table, *, left_out: Sequence[str]) -> Table:
    """Returns two tables of the same rows as one, without some of the columns of the second."""
    shown = [index for index, title in enumerate(right.head) if index and title not in left_out]
    rows = zip(left.rows, right.rows, strict=True)
    return Table(
        (*left.head, *(right.head[index] for index in shown)),
        tuple((*one, *(other[index] for index in shown)) for one, other in rows),
    )


def winners_table(results: Results) -> Table:
    """Returns a row for each trial that was trained again, and for the recipe that it is compared with."""
    arms = tuple(arm for arm in results.arms_to_read if arm.takes_part or arm.name == results.baseline)
    shown = results.model_copy(update={"arms": arms})
    chosen = Table(
        ("arm", "chosen", "in the search"),
        tuple(
            (arm.name, chosen_text(arm.differs) or "-", trial_text(trial_of(arm, results), results.metric))
            for arm in arms
        ),
    )
    values = beside(chosen, answer_table(shown), left_out=("n",))
    return beside(values, cost_table(shown), left_out=LEFT_OUT)


def trial_of(confirmed: ArmResult, results: Results) -> ArmResult | None:
    """Returns the trial that was trained again with new seeds; None for the recipe."""
    return next((arm for arm in results.arms if confirmed.name == f"{arm.name}{CONFIRMED}"), None)


def trial_text(trial: ArmResult | None, metric: str) -> str:
    return "-" if trial is None or trial.mean is None else value_text(trial.mean, None, metric)


def what_if_table(found: ExperimentWhatIf) -> Table:
    head = ("arm", "early stopping", "stops", "stop epoch", "mean then (95 % interval)", "lost", "epochs saved")
    rows = (what_if_cells(arm.name, each, found.metric) for arm in found.arms for each in arm.answers)
    return Table(head, tuple(rows))


def what_if_cells(arm: str, answer: PooledAnswer, metric: str) -> tuple[str, ...]:
    # The time is that of one machine.
    *first, _, lost, saved, _ = map(str, what_if_row(arm, answer, metric))
    value = "-" if answer.value is None else value_text(answer.value.mean, answer.value.interval, metric)
    return (*first, value, lost, saved)


def how_measured(document: ExperimentDocument, results: Results) -> str:
    """Returns how often each arm was trained, and what the intervals are."""
    tests = "Values on the test split are means, and choose nothing."
    if isinstance(document.design, Search):
        return f"A search{search_text(document.model_dump(mode='json'))}. {method_text(results)} {tests}"
    seeds = count_of(len(document.seeds), "seed")
    effects = f" {effects_text(results)}" if has_main_effects(results) else ""
    if len(results.arms) > MOST_ARMS:
        return f"{count_of(len(results.arms), 'arm')}, each with {seeds}.{effects}"
    return f"{seeds}. {method_text(results)}{effects} {tests}"


if __name__ == "__main__":
    main()
