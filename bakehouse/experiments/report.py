"""Defines the report of an experiment: what one sends to a colleague, as a list of blocks."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bakehouse.experiments.answer import ArmResult, Effect, Results, SearchAnswer
from bakehouse.experiments.curve_plot import MOST_RUNS, ArmCurve, draw_curve_plot
from bakehouse.experiments.document import Search
from bakehouse.experiments.dot_plot import draw_dot_plot
from bakehouse.experiments.ensemble import Ensemble
from bakehouse.experiments.measured import DesignType
from bakehouse.experiments.words import arm_name, difference_text, ensemble_name, field_text, value_text
from bakehouse.model import JsonObject
from bakehouse.plurals import count_of, listed

MOST_VALUE_CHARACTERS = 60
DESIGNS: Mapping[DesignType, str] = {
    "variants": "a comparison of variants",
    "grid": "a grid of values",
    "ablation": "an ablation, which takes each ingredient away alone, and all of them",
    "factorial": "a factorial, with all combinations of ingredients that are on or off",
    "search": "a search",
}


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Items:
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Picture:
    svg: str


Block = Heading | Paragraph | Items | Table | Code | Picture


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """The facts in a report that are not among the results: the document, the data, and what trained the runs."""

    name: str | None
    design: DesignType
    document: JsonObject
    """The document of the experiment, which makes it again if it is posted."""
    seeds: tuple[int, ...]
    created_at: str
    dataset: str
    fingerprints: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    """The versions that trained, each with its name: `torch 2.12.0`."""
    devices: tuple[str, ...] = ()


def write_report(facts: ReportFacts, results: Results, curves: Sequence[ArmCurve] = ()) -> list[Block]:
    """Returns the blocks of a report: question, answer, curves, what differed, what is unsure, and how to make it
    again."""
    return [
        Heading(facts.name or f"Experiment {results.experiment}", level=1),
        Paragraph(results.sentence),
        Heading("Question"),
        Items(tuple(question_texts(facts, results))),
        Code(json_text(facts.document.get("recipe", {})), "json"),
        Heading("Answer"),
        Picture(draw_dot_plot(results)),
        *answer_blocks(results),
        *curve_blocks(results, curves),
        *doubt_blocks(results),
        Heading("Provenance"),
        Items(tuple(provenance(facts, results))),
        Heading("Make it again"),
        Paragraph("Save this document as `experiment.json` and run `bakehouse experiment run experiment.json`."),
        Code(json_text(facts.document), "json"),
    ]


def curve_blocks(results: Results, curves: Sequence[ArmCurve]) -> Iterator[Block]:
    if not any(curve.epochs for curve in curves):
        return
    measured = sum(arm.mean is not None for arm in results.arms)
    which = "Each arm with a value" if len(curves) == measured else "The baseline and the best arms"
    yield Heading("Curves")
    yield Picture(draw_curve_plot(curves, results.metric))
    yield Paragraph(
        f"{which}: the mean over its runs (of many the first {MOST_RUNS}), and a band from the lowest to the highest, "
        "over the epochs that all of them have reached."
    )


def json_text(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False)


def question_texts(facts: ReportFacts, results: Results) -> Iterator[str]:
    yield f"Design: {DESIGNS[facts.design]}{search_text(facts.document) if facts.design == 'search' else ''}."
    yield f"Data set: {facts.dataset}."
    folds = facts.document.get("folds")
    yield f"Seeds: {listed([str(seed) for seed in facts.seeds])}" + (f", each with {folds} folds." if folds else ".")
    better = "higher" if results.higher_is_better else "lower"
    yield f"Metric: {results.metric} at the best epoch of each run; {better} is better."
    if results.baseline is not None:
        what = "" if results.search is None else ", trained with the seeds that confirm the best trials"
        yield f"Baseline: {results.baseline}{what}."


def search_text(document: JsonObject) -> str:
    """Returns how a search is done: ` of 40 trials by tpe; the best 3 are trained again with 5 new seeds`."""
    design = Search.model_validate(document["design"])
    text = f" of {count_of(design.trials, 'trial')} by {design.sampler}"
    text += "" if design.pruner == "none" else f", with pruning by {design.pruner}"
    if design.confirm is None:
        return text
    seeds = f"{count_of(design.confirm.seeds, 'new seed')}"
    best = "best one is" if design.confirm.top == 1 else f"best {design.confirm.top} are"
    return f"{text}; the {best} trained again with {seeds}, and so is the recipe"


def answer_table(results: Results) -> Table:
    """Returns a row for each arm: its mean, and how it compares with the baseline; and a row for each ensemble."""
    head = ("arm", "n", "mean (95 % interval)", "difference (95 % interval)", "p, adjusted", "verdict")
    ensembles = (ensemble_cells(ensemble, results.metric) for ensemble in results.ensembles)
    return Table(head, (*(answer_cells(arm, results) for arm in results.arms_to_read), *ensembles))


def answer_blocks(results: Results) -> Iterator[Block]:
    yield answer_table(results)
    yield Paragraph(method_text(results))
    if results.ensembles:
        yield Items(tuple(ensemble.sentence for ensemble in results.ensembles))
    if results.search is not None:
        yield from search_blocks(results.search, results.metric)
    if results.effects:
        yield Heading("Effects", level=3)
        yield effects_table(results)
        if has_main_effects(results):
            yield Paragraph(effects_text(results))
    yield Heading("What differs, and what it took", level=3)
    yield cost_table(results)
    if any(arm.test for arm in results.arms):
        yield Paragraph("The values of arms on the test split are means, and choose nothing.")


def effects_table(results: Results) -> Table:
    """Returns a row for each effect."""
    head = ("effect", "type", "difference (95 % interval)", "p, adjusted", "verdict")
    return Table(head, tuple(effect_cells(effect, results.metric) for effect in results.effects))


def has_main_effects(results: Results) -> bool:
    """Returns whether the effects are those of a factorial; those of an ablation are its arms' differences, with the
    other sign."""
    return any(effect.type != "ingredient" for effect in results.effects)


def effects_text(results: Results) -> str:
    """Returns how main effects and interactions were computed."""
    return (
        "A main effect is the mean with the ingredient minus the mean without it, for each seed; an interaction says "
        "how much the effect of one depends on the other. Their p values are adjusted for "
        f"{count_of(len(results.effects), 'effect')} (Holm)."
    )


def cost_table(results: Results) -> Table:
    """Returns a row for each arm, with what it took and its means on the test split; and a row for each ensemble."""
    tests = list(dict.fromkeys(name for arm in results.arms for name in arm.test))
    rows = [(*cost_cells(arm), *test_cells(arm.test, tests)) for arm in results.arms_to_read]
    rows += [(ensemble_name(each), *"----", *test_cells(each.test, tests)) for each in results.ensembles]
    return Table(("arm", "differs in", "parameters", "epochs", "seconds", *tests), tuple(rows))


def search_blocks(search: SearchAnswer, metric: str) -> Iterator[Block]:
    """Yields the trials that were better than all before them, and how much each place in the recipe matters."""
    if search.best_so_far:
        yield Heading("How the search went", level=3)
        rows = ((f"trial {each.trial}", value_text(each.value, None, metric)) for each in search.best_so_far)
        yield Table(("better than all before", metric), tuple(rows))
    if search.importances:
        yield importance_table(search.importances)
        yield Paragraph("Importance is the share in what sets the best tenth of the trials apart (PED-ANOVA).")


def importance_table(importances: Mapping[str, float]) -> Table:
    return Table(("place", "importance"), tuple((name, f"{share:.0%}") for name, share in importances.items()))


def method_text(results: Results) -> str:
    """Returns how the values of a table of arms were computed."""
    kind = "the corrected interval of a cross-validation" if is_cross_validation(results) else "Student's t"
    if results.baseline is None:
        return f"Intervals are by {kind}. The trials of a search are not compared: their values choose among them."
    only = ""
    if results.search is not None:
        only = " Only the confirmed trials are compared, by seeds that the search has not used; the validation rows are"
        only += " those that have chosen them, so look at the test values too."
    return (
        f"Differences are from {results.baseline!r}, paired by seed, with intervals by {kind}. "
        f"The p value is adjusted for the number of comparisons (Holm).{only}"
    )


def is_cross_validation(results: Results) -> bool:
    return any(arm.difference is not None and arm.difference.test == "corrected_t" for arm in results.arms)


def answer_cells(arm: ArmResult, results: Results) -> tuple[str, ...]:
    mean = "-" if arm.mean is None else value_text(arm.mean, arm.interval, results.metric)
    found = arm.difference
    if found is None:
        verdict = "baseline" if arm.name == results.baseline else "-"
        return arm_name(arm), str(arm.n), mean, arm.not_compared or "-", "-", verdict
    difference = difference_text(found, results.metric)
    return arm.name, str(arm.n), mean, difference, p_text(found.p_adjusted), found.verdict


def ensemble_cells(ensemble: Ensemble, metric: str) -> tuple[str, ...]:
    """Returns the value of an ensemble in place of a mean, and the mean of its members in place of a difference."""
    value, members = ensemble.validation.get(metric), ensemble.members.get(metric)
    own = "-" if value is None else value_text(value, None, metric)
    compared = "-" if members is None else f"its members: {value_text(members, None, metric)}"
    return ensemble_name(ensemble), "1", own, compared, "-", "ensemble"


def cost_cells(arm: ArmResult) -> tuple[str, ...]:
    return (
        arm.name,
        differs_text(arm.differs),
        "-" if arm.parameters is None else f"{arm.parameters:,}",
        "-" if arm.epochs is None else f"{arm.epochs:,.1f}",
        "-" if arm.seconds is None else f"{arm.seconds:,.1f}",
    )


def test_cells(measured: Mapping[str, float | None], tests: Sequence[str]) -> tuple[str, ...]:
    found = ((name, measured.get(name)) for name in tests)
    return tuple("-" if value is None else value_text(value, None, name) for name, value in found)


def effect_cells(effect: Effect, metric: str) -> tuple[str, ...]:
    name = " with ".join(effect.ingredients)
    return name, effect.type, difference_text(effect, metric), p_text(effect.p_adjusted), effect.verdict


def p_text(p: float | None) -> str:
    return "-" if p is None else f"{p:.2g}" if p >= 0.001 else "< 0.001"


def differs_text(differs: JsonObject) -> str:
    texts = []
    for pointer, value in differs.items():
        text = field_text(value)
        short = text if len(text) <= MOST_VALUE_CHARACTERS else text[: MOST_VALUE_CHARACTERS - 1] + "…"
        texts.append(f"{pointer}: {short}")
    return ", ".join(texts) or "-"


def doubt_blocks(results: Results) -> Iterator[Block]:
    """Yields the warnings, and the runs without a value."""
    if results.warnings:
        yield Heading("Warnings")
        yield Items(tuple(caution.message for caution in results.warnings))
    failed = [(arm.name, run) for arm in results.arms for run in arm.failed]
    if failed:
        yield Heading("Runs without a value")
        rows = tuple(
            (name, str(run.seed) if run.fold is None else f"{run.seed}/{run.fold}", run.run, run.code, run.message)
            for name, run in failed
        )
        yield Table(("arm", "seed", "run", "code", "reason"), rows)


def provenance(facts: ReportFacts, results: Results) -> Iterator[str]:
    yield f"Experiment {results.experiment}, posted at {facts.created_at}; it is {results.status}."
    reused = sum(arm.reused for arm in results.arms)
    runs = (
        f"{results.finished:,} of {count_of(results.runs, 'run')} {'is' if results.finished == 1 else 'are'} finished"
    )
    yield f"{runs}; {reused:,} had been trained before." if reused else f"{runs}."
    yield f"Data set {facts.dataset}" + (
        f", fingerprint {', '.join(facts.fingerprints)}." if facts.fingerprints else "."
    )
    if facts.versions:
        yield f"Versions: {', '.join(facts.versions)}."
    if facts.devices:
        yield f"Devices: {', '.join(facts.devices)}."
