"""Advice on label smoothing, adversaries and teachers."""

from collections.abc import Iterator

from bakehouse.advice.advice import replace
from bakehouse.advice.rule import Finding, rule
from bakehouse.plan.defaults import step_size
from bakehouse.plan.plan import Plan
from bakehouse.plan.sources.hints import hidden_layers, layer_numbers
from bakehouse.plan.sources.teacher import probabilities_are_compared, teacher_in
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.objective import Adversarial, Distillation, LabelSmoothing
from bakehouse.recipe.pretraining import Hints

MAX_SHARE = 0.3
"""Limit on epsilon as a share of the inputs' range. Half of the range would turn all grey inputs into the same
pattern."""
MAX_DEVIATIONS = 1.0
# Goodfellow et al. 2015 gave half of the loss to adversarial inputs.
PAPERS_WEIGHT = 0.5
DEEP = 0.75
MAX_SMOOTHING = 0.2
USUAL_SMOOTHING = 0.1
SMOOTHED = "Mueller et al. 2019, arXiv 1906.02629; Chandrasegaran et al. 2022, arXiv 2206.14532"
ROBUSTNESS = "Goodfellow et al. 2015, arXiv 1412.6572; Tsipras et al. 2019, arXiv 1805.12152"


@rule("warning", about=(LabelSmoothing,), source="Szegedy et al. 2016, arXiv 1512.00567, section 7")
def smoothing_strong(plan: Plan) -> Iterator[Finding]:
    """No paper found so much smoothing to help."""
    smoothing = plan.recipe.objective.label_smoothing
    pointer = "/objective/label_smoothing/epsilon"
    if smoothing is not None and smoothing.epsilon > MAX_SMOOTHING:
        message = f"{smoothing.epsilon:.0%} of the target is spread over {smoothing.spread.replace('_', ' ')}; "
        message += f"{USUAL_SMOOTHING:.0%} is usual."
        yield Finding(pointer, message, replace(pointer, USUAL_SMOOTHING))


@rule("warning", about=(Adversarial,), source="Goodfellow et al. 2015, arXiv 1412.6572")
def adversarial_epsilon_large(plan: Plan) -> Iterator[Finding]:
    """An attack that can turn one class into another trains on wrong labels."""
    attack = plan.recipe.objective.adversarial
    most = None if attack is None else largest_epsilon(attack, plan)
    if attack is None or most is None or attack.epsilon <= most:
        return
    change = f"{attack.epsilon:.0%} of the range"
    if not is_share(attack, plan):
        change = f"{attack.epsilon:g} standard deviations"
    message = f"every input number may change by {change}: examples may look like another class, but keep their label."
    path = "/objective/adversarial"
    # A step that fitted the old epsilon may be longer than the new one.
    patch = replace(f"{path}/epsilon", most) + replace(f"{path}/step_size", min(step_size(attack), most))
    yield Finding(f"{path}/epsilon", message, patch)


def largest_epsilon(attack: Adversarial, plan: Plan) -> float | None:
    """Returns the limit on epsilon; None if the scale of the inputs is not known."""
    if is_share(attack, plan):
        return MAX_SHARE
    return MAX_DEVIATIONS if plan.recipe.dataset.normalization in ("standardize", "whiten") else None


def is_share(attack: Adversarial, plan: Plan) -> bool:
    """Whether epsilon is a share of the inputs' range."""
    return attack.unit == "range" or plan.recipe.dataset.normalization == "min_max"


@rule("info", about=(Adversarial,), source=ROBUSTNESS)
def adversarial_costs_accuracy(plan: Plan) -> Iterator[Finding]:
    """More than half of the loss comes from adversarial inputs, which early stopping does not measure."""
    attack = plan.recipe.objective.adversarial
    pointer = "/objective/adversarial/weight"
    if attack is not None and attack.weight > PAPERS_WEIGHT:
        message = (
            f"{attack.weight:.0%} of the loss comes from adversarial inputs: the model becomes robust and usually "
        )
        message += "less accurate "
        message += (
            f"on clean inputs, which {plan.recipe.evaluation.monitor} measures. Compare test_adversarial_loss with "
            "test_loss."
        )
        yield Finding(pointer, message, replace(pointer, PAPERS_WEIGHT))


@rule("warning", about=(Distillation, Hints), source=SMOOTHED)
def smoothed_teacher(plan: Plan) -> Iterator[Finding]:
    """Label smoothing removes the differences between wrong classes that a high temperature would show."""
    teacher = plan.trained(teacher_in(plan.recipe))
    distillation = plan.recipe.objective.distillation
    hints = plan.recipe.pretraining
    if teacher is None or not probabilities_are_compared(plan.recipe) or not teacher.recipe.objective.label_smoothing:
        return
    pointer = ("/pretraining" if distillation is None else "/objective/distillation") + "/temperature"
    temperature = distillation.temperature if distillation else hints.temperature if isinstance(hints, Hints) else 1.0
    if temperature > 1:
        message = f"label smoothing made all wrong classes look alike to the teacher; at temperature {temperature:g} "
        message += (
            "little is left of their differences, at 1 there is more. A teacher trained on hard labels shows most."
        )
        yield Finding(pointer, message, replace(pointer, 1.0))


@rule("info", about=(Hints,), source="Romero et al. 2015, arXiv 1412.6550")
def hints_for_a_shallow_student(plan: Plan) -> Iterator[Finding]:
    """Hints are for students that are too deep to train without them."""
    hints = plan.recipe.pretraining
    teacher = plan.trained(teacher_in(plan.recipe))
    if not isinstance(hints, Hints) or teacher is None:
        return
    ours, theirs = len(hidden_layers(plan.root)), len(hidden_layers(teacher.root))
    if ours <= theirs:
        message = f"{ours} hidden layers learn from {theirs}: hints help students that are deeper than their teacher; "
        message += "for others the teacher's probabilities alone usually help as much."
        distilled = replace("/objective/distillation", Distillation(teacher=hints.teacher))
        patch = replace("/pretraining", Off()) + (distilled if probabilities_are_compared(plan.recipe) else ())
        yield Finding("/pretraining", message, patch)


@rule("warning", about=(Hints,), source="Romero et al. 2015, arXiv 1412.6550, section 2.2")
def hints_guide_too_deep(plan: Plan) -> Iterator[Finding]:
    """Only the layers after the guided one are free to learn the task."""
    hints = plan.recipe.pretraining
    teacher = plan.trained(teacher_in(plan.recipe))
    if not isinstance(hints, Hints) or teacher is None:
        return
    _, guided = layer_numbers(hints, plan.root, teacher.root)
    count = len(hidden_layers(plan.root))
    middle = (count + 1) // 2
    if guided > max(DEEP * count, middle):
        pointer = "/pretraining/guided_layer"
        message = f"the hint fixes {guided} of {count} hidden layers before the task is seen, which leaves the "
        message += f"student little freedom; the middle one is layer {middle}."
        yield Finding(pointer, message, replace(pointer, middle))
