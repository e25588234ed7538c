"""Advice on inputs, schedules and early stopping."""

from collections.abc import Iterator
from itertools import pairwise

from bakehouse.advice.advice import replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.data_bytes import bytes_of_inputs
from bakehouse.plan.defaults import milestones
from bakehouse.plan.plan import Plan
from bakehouse.plurals import count_of
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.early_stopping import GeneralizationLoss, Patience, ProgressQuotient
from bakehouse.recipe.ingredient import Off, with_field
from bakehouse.recipe.optimizer import Adam, Sgd
from bakehouse.recipe.pretraining import Transfer
from bakehouse.recipe.schedule import AnySchedule, MultiStep, OneCycle, Plateau, Step
from bakehouse.recipe.shuffle import Blocks, Full

LARGE_BATCH = 1024
LARGE_SET = 16 << 30
MAX_ADAM_LR = 0.1
WARMUP_EPOCHS = 5.0
FEW_VALIDATION_ROWS = 200
PATIENCE_ON_FEW_ROWS = 20
FEW_ROWS = "Goodfellow et al. 2016, Deep Learning, 7.8"
GOYAL = "Goyal et al. 2017, arXiv 1706.02677, section 2.2"
PRECHELT = "Prechelt 1998, Early Stopping - But When?"


@rule("warning", about=(Sgd, *with_field(AnySchedule, "warmup_epochs")), source=GOYAL)
def large_batch_without_warmup(plan: Plan) -> Iterator[Finding]:
    """Warns that with large batches the first steps are unstable without a warm-up."""
    recipe = plan.recipe
    pointer = "/schedule/warmup_epochs"
    # one_cycle has a warm-up of its own.
    if not isinstance(recipe.optimizer, Sgd) or isinstance(recipe.schedule, OneCycle):
        return
    if recipe.batch_size >= LARGE_BATCH and recipe.schedule.warmup_epochs == 0:
        message = (
            f"sgd starts at lr {recipe.optimizer.lr:g} with "
            f"{count_of(recipe.batch_size, 'row')} a step; weights change "
        )
        message += "fastest in the first epochs, and so large a step can upset them. Warm up over about five."
        yield Finding(pointer, message, replace(pointer, min(WARMUP_EPOCHS, float(recipe.epochs))))


@rule("warning", about=(Adam,), source="Kingma & Ba 2015, arXiv 1412.6980, section 2.1")
def adam_lr_high(plan: Plan) -> Iterator[Finding]:
    """Each step of Adam moves each weight by about the learning rate."""
    optimizer = plan.recipe.optimizer
    pointer = "/optimizer/lr"
    if isinstance(optimizer, Adam) and optimizer.lr > MAX_ADAM_LR:
        message = (
            f"adam moves each weight by about lr {optimizer.lr:g} at every step, however small the gradient; usual are "
            "0.0001 to 0.01."
        )
        yield Finding(pointer, message, replace(pointer, Adam().lr))


@rule("info", about=(Full, Blocks), source="Meng et al. 2019, Convergence Analysis of Distributed SGD with Shuffling")
def full_shuffle_of_a_large_set(plan: Plan) -> Iterator[Finding]:
    """A set that is larger than memory is read slowly if its rows are taken in random order."""
    dataset = plan.recipe.dataset
    size = bytes_of_inputs(plan.card, plan.data, sum(plan.sizes))
    has_curriculum = not isinstance(plan.recipe.curriculum, Off)
    if size < LARGE_SET or isinstance(dataset.shuffle, Blocks) or dataset.sampling != "none" or has_curriculum:
        return
    message = (
        f"the inputs take {size / 2**30:,.0f} GiB. If the memory of the machine is smaller, a full shuffle reads each "
        "row from another place of the disk, while blocks are read nearly in order."
    )
    yield Finding("/dataset/shuffle", message, replace("/dataset/shuffle", Blocks().model_dump(mode="json")))


@rule("warning", about=(Dataset,), source="LeCun et al. 1998, Efficient BackProp, section 4.3")
def inputs_not_normalized(plan: Plan) -> Iterator[Finding]:
    """Inputs on different scales make the loss a narrow valley."""
    recipe = plan.recipe
    card = plan.card
    pointer = "/dataset/normalization"
    # A transfer takes the normalization of its source.
    if recipe.dataset.normalization == "none" and not isinstance(recipe.pretraining, Transfer):
        message = f"the inputs of {card.id} range from {card.minimum:g} to {card.maximum:g} and enter the model "
        message += "unchanged; inputs that are off centre or on different scales slow down the descent."
        yield Finding(pointer, message, replace(pointer, "standardize"))


@rule("warning", about=(Patience,), source=PRECHELT)
def short_patience(plan: Plan) -> Iterator[Finding]:
    """The monitored metric often worsens for some epochs and then recovers."""
    stopping = plan.recipe.early_stopping
    pointer = "/early_stopping/patience"
    if isinstance(stopping, Patience) and stopping.patience < 3:
        message = f"the run ends after {stopping.patience} epoch{'s' * (stopping.patience > 1)} without improvement; "
        message += "validation often worsens for longer and recovers."
        yield Finding(pointer, message, replace(pointer, Patience().patience))


@rule("warning", about=(Patience, GeneralizationLoss, ProgressQuotient), source=FEW_ROWS)
def few_validation_rows(plan: Plan) -> Iterator[Finding]:
    """A few rows decide when to stop."""
    stopping = plan.recipe.early_stopping
    rows = plan.sizes.validation
    if rows >= FEW_VALIDATION_ROWS:
        return
    noisy = f"{rows} validation rows decide when to stop, and each counts {1 / rows:.1%}; with so much noise, "
    if isinstance(stopping, GeneralizationLoss | ProgressQuotient):
        message = f"{noisy}a single bad epoch can stop the run by {stopping.type}. patience waits for many."
        yield Finding("/early_stopping", message, replace("/early_stopping", Patience(patience=PATIENCE_ON_FEW_ROWS)))
    if isinstance(stopping, Patience) and stopping.patience < PATIENCE_ON_FEW_ROWS:
        pointer = "/early_stopping/patience"
        message = f"{noisy}wait longer than {count_of(stopping.patience, 'epoch')}."
        yield Finding(pointer, message, replace(pointer, PATIENCE_ON_FEW_ROWS))


@rule("info", about=(Patience, Step, MultiStep, Plateau), source=PRECHELT)
def stops_before_the_drop(plan: Plan) -> Iterator[Finding]:
    """The run stops on a plateau that the next learning rate would have ended."""
    stopping = plan.recipe.early_stopping
    wait = longest_wait(plan.recipe.schedule, plan.recipe.epochs)
    if isinstance(stopping, Patience) and stopping.patience < wait:
        pointer = "/early_stopping/patience"
        message = (
            f"a plateau of {count_of(stopping.patience, 'epoch')} ends the run, but the "
            f"learning rate may take {wait} to "
        )
        message += "drop; "
        yield Finding(pointer, message + "a drop often ends the plateau.", replace(pointer, wait))


def longest_wait(schedule: AnySchedule, epochs: int) -> int:
    """Returns the longest plateau, in epochs, that a run must survive to see its next drop; 0 without drops."""
    match schedule:
        case Step(step_size=size, gamma=gamma):
            return size if size < epochs and gamma < 1 else 0
        case MultiStep(gamma=gamma) if gamma < 1:
            within = [milestone for milestone in milestones(schedule, epochs) if milestone < epochs]
            return max((later - earlier for earlier, later in pairwise([0, *within])), default=0)
        case Plateau(patience=patience):
            # If both wait equally long, the run ends at the epoch of the drop.
            return patience + 1 if patience < epochs else 0
        case _:
            return 0
