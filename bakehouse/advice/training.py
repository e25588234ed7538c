"""Advice on data, augmentation, targets, schedules and stopping."""

from collections.abc import Iterator
from itertools import pairwise

from bakehouse.advice.advice import Advice, replace
from bakehouse.plan.plan import Plan
from bakehouse.recipe.early_stopping import GeneralizationLoss, Patience, ProgressQuotient
from bakehouse.recipe.optimizer import Sgd
from bakehouse.recipe.pretraining import Transfer
from bakehouse.recipe.schedule import AnySchedule, MultiStep, OneCycle, Plateau, Step

LARGE_BATCH = 1024
WARMUP_EPOCHS = 5.0
FEW_VALIDATION_ROWS = 200
PATIENCE_ON_FEW_ROWS = 20


def large_batch_without_warmup(plan: Plan) -> Iterator[Advice]:
    """The first steps of a large batch are the unstable ones."""
    recipe = plan.recipe
    large = isinstance(recipe.optimizer, Sgd) and recipe.batch_size >= LARGE_BATCH
    if large and not isinstance(recipe.schedule, OneCycle) and recipe.schedule.warmup_epochs == 0:
        yield Advice(
            code="large_batch_without_warmup",
            severity="warning",
            pointer="/schedule/warmup_epochs",
            message=f"sgd starts at lr {recipe.optimizer.lr:g} with {recipe.batch_size:,} rows a step; weights change "
            "fastest in the first epochs, and a step this large can upset them. Warm up over about five.",
            source="Goyal et al. 2017, arXiv 1706.02677, section 2.2",
            patch=replace("/schedule/warmup_epochs", min(WARMUP_EPOCHS, float(recipe.epochs))),
        )


def inputs_not_normalized(plan: Plan) -> Iterator[Advice]:
    """Inputs on different scales make a narrow valley of the loss."""
    is_transferred = isinstance(plan.recipe.pretraining, Transfer)  # with the normalization of another run
    if plan.recipe.dataset.normalization == "none" and not is_transferred:
        card = plan.card
        yield Advice(
            code="inputs_not_normalized",
            severity="warning",
            pointer="/dataset/normalization",
            message=f"the inputs of {card.id} run from {card.minimum:g} to {card.maximum:g} and go into the "
            "model as they are; inputs that are off centre or on different scales slow down the descent.",
            source="LeCun et al. 1998, Efficient BackProp, section 4.3",
            patch=replace("/dataset/normalization", "standardize"),
        )


def smoothing_strong(plan: Plan) -> Iterator[Advice]:
    """More is taken from the right class than was found to help."""
    smoothing = plan.recipe.objective.label_smoothing
    if smoothing is not None and smoothing.epsilon > 0.2:
        yield Advice(
            code="smoothing_strong",
            severity="warning",
            pointer="/objective/label_smoothing/epsilon",
            message=f"{smoothing.epsilon:.0%} of the target is spread over "
            f"{smoothing.spread.replace('_', ' ')}; 10% is usual.",
            source="Szegedy et al. 2016, arXiv 1512.00567, section 7",
            patch=replace("/objective/label_smoothing/epsilon", 0.1),
        )


def short_patience(plan: Plan) -> Iterator[Advice]:
    """Validation dips and recovers."""
    stopping = plan.recipe.early_stopping
    if isinstance(stopping, Patience) and stopping.patience < 3:
        yield Advice(
            code="short_patience",
            severity="warning",
            pointer="/early_stopping/patience",
            message=f"the run ends after {stopping.patience} epoch{'s' * (stopping.patience > 1)} without improvement; "
            "validation often worsens for longer and recovers.",
            source="Prechelt 1998, Early Stopping - But When?",
            patch=replace("/early_stopping/patience", Patience().patience),
        )


def few_validation_rows(plan: Plan) -> Iterator[Advice]:
    """A few rows decide when to stop."""
    stopping, rows = plan.recipe.early_stopping, plan.sizes.validation
    if isinstance(stopping, GeneralizationLoss | ProgressQuotient) and rows < FEW_VALIDATION_ROWS:
        yield Advice(
            code="few_validation_rows",
            severity="warning",
            pointer="/early_stopping",
            message=f"{rows} validation rows decide when to stop, one of which is {1 / rows:.1%}; with so much noise, "
            f"a single bad epoch meets {stopping.type}. Patience waits for many.",
            source="Goodfellow et al. 2016, Deep Learning, 7.8",
            patch=replace("/early_stopping", Patience(patience=PATIENCE_ON_FEW_ROWS)),
        )
    if isinstance(stopping, Patience) and rows < FEW_VALIDATION_ROWS and stopping.patience < PATIENCE_ON_FEW_ROWS:
        yield Advice(
            code="few_validation_rows",
            severity="warning",
            pointer="/early_stopping/patience",
            message=f"{rows} validation rows decide when to stop, one of which is {1 / rows:.1%}; with so much noise, "
            f"wait longer than {stopping.patience} epochs.",
            source="Goodfellow et al. 2016, Deep Learning, 7.8",
            patch=replace("/early_stopping/patience", PATIENCE_ON_FEW_ROWS),
        )


def stops_before_the_drop(plan: Plan) -> Iterator[Advice]:
    """A plateau ends the run that the next learning rate would have left."""
    stopping, wait = plan.recipe.early_stopping, longest_wait(plan.recipe.schedule, plan.recipe.epochs)
    if isinstance(stopping, Patience) and stopping.patience < wait:
        yield Advice(
            code="stops_before_the_drop",
            severity="info",
            pointer="/early_stopping/patience",
            message=f"a plateau of {stopping.patience} epochs ends the run, but the learning rate may take {wait} to "
            "drop; a drop often ends the plateau.",
            source="Prechelt 1998, Early Stopping - But When?",
            patch=replace("/early_stopping/patience", wait),
        )


def longest_wait(schedule: AnySchedule, epochs: int) -> int:
    """Epochs that a plateau must be survived to see the next drop within the run; 0 without drops."""
    match schedule:
        case Step(step_size=size, gamma=gamma):
            return size if size < epochs and gamma < 1 else 0
        case MultiStep(milestones=milestones, gamma=gamma) if milestones is not None and gamma < 1:
            within = [milestone for milestone in milestones if milestone < epochs]
            return max((later - earlier for earlier, later in pairwise([0, *within])), default=0)
        case Plateau(patience=patience):
            # The run ends at the epoch of the drop where both wait for as long.
            return patience + 1 if patience < epochs else 0
        case _:
            return 0
