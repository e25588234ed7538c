"""Defines the answer of an experiment: what `GET /v1/experiments/{id}/results` returns."""

from typing import Literal

from pydantic import Field

from bakehouse.experiments.ensemble import Ensemble
from bakehouse.experiments.statistics import Interval, Test, Verdict
from bakehouse.model import JsonObject, Model

ExperimentStatus = Literal["queued", "running", "paused", "finished", "cancelled"]


class FailedRun(Model):
    """A run that is over without a value, or that was not created because one has failed that it builds on."""

    run: str
    """The run; of one that was not created, the one that has failed."""
    seed: int
    fold: int | None = None
    code: str
    """A name that programs can compare: the reason of the run, `no_value` if it succeeded without a finite value of the
    metric, or `not_created`."""
    message: str
    """What happened, as human-readable text."""


class Difference(Model):
    """How far the values of an arm are from those of the baseline, paired by seed, and in a cross-validation by seed
    and fold. Positive means higher, whether that is better or not."""

    n: int
    """The number of pairs: places with a value in both arms."""
    mean: float
    """The mean difference."""
    interval: Interval | None = None
    """The 95 % interval by Student's t, with the correction for overlapping training sets in a cross-validation; null
    of one pair, and of differences that are all equal."""
    p: float | None = None
    """The two-sided p value of `test`; null if nothing can be tested."""
    p_adjusted: float | None = None
    """`p` after Holm's adjustment for the number of arms that are compared."""
    p_sign_flip: float | None = None
    """The p value of the exact sign-flip test, of up to 12 pairs without folds."""
    test: Test | None = None
    """The test behind `p`: `t`, `corrected_t` in a cross-validation, or `sign_flip` of differences that are all equal,
    for which Student's t would give 0."""
    verdict: Verdict
    """`better` or `worse` than the baseline if `p_adjusted` is below 0.05, else `no clear effect`."""
    detectable: float | None = None
    """The smallest true difference that this many pairs, as scattered as these, would have found four times in
    five."""
    seeds_for_half: int | None = None
    """The number of seeds that would find half of `detectable` as often; null if no number of seeds would, because
    folds share their rows."""
    note: str | None = None
    """Why there is no interval, as human-readable text."""


class ArmResult(Model):
    """The results of one of the recipes that are compared. Each value is the metric at the best epoch of a run."""

    name: str
    n: int
    """The number of values."""
    values: dict[str, float]
    """The values by seed, such as `"0"`, and in a cross-validation by seed and fold, such as `"0/2"`."""
    mean: float | None = None
    sd: float | None = None
    """The standard deviation of the values; null of fewer than two."""
    interval: Interval | None = None
    """The 95 % interval of the mean by Student's t; null of one value, and of values that are all equal."""
    epochs: float | None = None
    """The mean number of epochs that a run trained."""
    seconds: float | None = None
    """The mean time that a run trained."""
    parameters: int | None = None
    """The number of parameters that are trained."""
    reused: int = 0
    """The number of values of runs that were trained before this experiment."""
    pruned: bool = False
    """Whether the pruner of a search has ruled the trial out, because others were better at the same epoch. Such a
    trial cannot win, even if its runs were over before they could be ended."""
    test: dict[str, float] = {}
    """The mean metrics of the best weights on the test split. They choose nothing and have no verdict."""
    failed: tuple[FailedRun, ...] = ()
    """The runs that are over without a value."""
    differs: JsonObject = {}
    """The fields of the canonical recipe that differ from the baseline, by JSON Pointer, with the arm's values."""
    difference: Difference | None = None
    """The comparison with the baseline; null of the baseline itself, of the trials of a search, and if nothing can be
    compared."""
    not_compared: str | None = None
    """Why there is no difference, as human-readable text."""

    @property
    def takes_part(self) -> bool:
        """Whether the arm is one of those that are compared with the baseline, even if it has no value."""
        return self.difference is not None or self.not_compared is not None


class Effect(Model):
    """What one ingredient, or two together, change in the metric."""

    type: Literal["ingredient", "main", "interaction"]
    """`ingredient`: in an ablation, the recipe minus the recipe without it. `main`: in a factorial, the mean with the
    ingredient minus the mean without it, over all combinations of the others. `interaction`: half of what the effect
    of the first ingredient with the second differs from that without the second."""
    ingredients: tuple[str, ...]
    """The ingredients; in an ablation also `all of them`."""
    n: int
    """The number of seeds, or seeds times folds, with a value in every combination."""
    mean: float
    interval: Interval | None = None
    """The 95 % interval by Student's t; null of one seed, and of values that are all equal."""
    p: float | None = None
    p_adjusted: float | None = None
    """`p` after Holm's adjustment for the number of effects."""
    verdict: Verdict
    """Whether the metric gets `better` or `worse` with the ingredients. Of an interaction, whether they do together,
    compared with the sum of their effects."""
    note: str | None = None
    """Why there is no interval, as human-readable text."""


class Caution(Model):
    """Something that makes a comparison unfair or uncertain."""

    code: Literal[
        "different_data", "different_splits", "different_budgets", "different_monitors", "different_objectives",
        "cut_short", "not_exact", "few_seeds", "missing_pairs", "no_noise",
    ]  # fmt: skip
    """A name that programs can compare."""
    message: str
    """What is unequal, and what would be right, as human-readable text."""
    arms: tuple[str, ...] = ()
    """The arms that it concerns."""


class BetterTrial(Model):
    """A trial of a search that was better than all before it."""

    trial: int
    value: float


class SearchAnswer(Model):
    """The result of a search: its best trials in their order, and how much each parameter matters."""

    best_so_far: tuple[BetterTrial, ...]
    """The trials that were better than all before them; those that were ended early do not count."""
    importances: dict[str, float] | None
    """The share of each place in what sets the best tenth of the trials apart (PED-ANOVA), the largest first; null with
    fewer than ten trials, and where Optuna is not installed."""


class Results(Model):
    """The answer of an experiment; while it runs, what there is so far."""

    experiment: str
    status: ExperimentStatus
    metric: str
    higher_is_better: bool
    baseline: str | None = None
    """The arm that the others are compared with. In a search it is null until the best trials are confirmed; then these
    alone are compared, with the recipe of the search."""
    finished: int = Field(ge=0)
    """The number of runs that are over."""
    runs: int = Field(ge=0)
    """The number of runs."""
    sentence: str
    """The answer in words."""
    arms: tuple[ArmResult, ...]
    effects: tuple[Effect, ...] = ()
    """In an ablation, what each ingredient is worth; in a factorial, the main effects and interactions of two."""
    search: SearchAnswer | None = None
    """In a search, the best so far and what matters; the winners, trained again, are arms like `trial 7 confirmed`, and
    are compared with the arm `recipe`."""
    ensembles: tuple[Ensemble, ...] = ()
    """The arms whose runs were measured as one model. They are single values, so they take part in no comparison."""
    warnings: tuple[Caution, ...] = ()

    @property
    def arms_to_read(self) -> tuple[ArmResult, ...]:
        """The arms in the order of interest: of a search first the recipe and the trials that are compared with it."""
        if self.search is None or self.baseline is None:
            return self.arms
        return tuple(sorted(self.arms, key=lambda arm: arm.name != self.baseline and not arm.takes_part))
