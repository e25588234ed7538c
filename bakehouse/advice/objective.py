"""Advice on adversaries and teachers."""

from collections.abc import Iterator

from bakehouse.advice.advice import Advice, PatchStep, replace
from bakehouse.plan.plan import Plan, teacher_of
from bakehouse.plan.sources.hints import hidden_layers
from bakehouse.plan.sources.teacher import probabilities_are_compared
from bakehouse.recipe.ingredient import Off
from bakehouse.recipe.objective import Adversarial, Distillation
from bakehouse.recipe.pretraining import Hints

MAX_SHARE = 0.3
"""Of the range: grey inputs with a pattern of half the range are all alike."""
MAX_DEVIATIONS = 1.0
PAPERS_WEIGHT = 0.5
DEEP = 0.75


def adversarial_epsilon_large(plan: Plan) -> Iterator[Advice]:
    """An attack that may turn one class into another teaches wrong labels."""
    attack = plan.recipe.objective.adversarial
    most = None if attack is None else largest_epsilon(attack, plan)
    if attack is None or most is None or attack.epsilon <= most or attack.step_size is None:
        return
    unit = f"{attack.epsilon:.0%} of the range" if is_share(attack, plan) else f"{attack.epsilon:g} standard deviations"
    smaller = {"epsilon": most, "step_size": min(attack.step_size, most)}
    yield Advice(
        code="adversarial_epsilon_large",
        severity="warning",
        pointer="/objective/adversarial/epsilon",
        message=f"every input number may change by {unit}: examples may look like another class, and keep their label.",
        source="Goodfellow et al. 2015, arXiv 1412.6572",
        patch=tuple(
            PatchStep(op="replace", path=f"/objective/adversarial/{name}", value=value)
            for name, value in smaller.items()
        ),
    )


def largest_epsilon(attack: Adversarial, plan: Plan) -> float | None:
    """None where the unit means nothing that is known here."""
    if is_share(attack, plan):
        return MAX_SHARE
    return MAX_DEVIATIONS if plan.recipe.dataset.normalization in ("standardize", "whiten") else None


def is_share(attack: Adversarial, plan: Plan) -> bool:
    """Whether 1 is the range of the inputs."""
    return attack.unit == "range" or plan.recipe.dataset.normalization == "min_max"


def adversarial_costs_accuracy(plan: Plan) -> Iterator[Advice]:
    """More than half of the loss is what early stopping does not look at."""
    attack, monitor = plan.recipe.objective.adversarial, plan.recipe.evaluation.monitor
    if attack is not None and attack.weight > PAPERS_WEIGHT:
        yield Advice(
            code="adversarial_costs_accuracy",
            severity="info",
            pointer="/objective/adversarial/weight",
            message=f"{attack.weight:.0%} of the loss is of adversarial inputs: the model becomes robust and usually "
            f"less accurate on clean ones, of which {monitor} is. Compare test_adversarial_loss with test_loss.",
            source="Goodfellow et al. 2015, arXiv 1412.6572; Tsipras et al. 2019, arXiv 1805.12152",
            patch=replace("/objective/adversarial/weight", PAPERS_WEIGHT),
        )


def smoothed_teacher(plan: Plan) -> Iterator[Advice]:
    """Smoothing takes away what a high temperature would show."""
    teacher = teacher_of(plan.recipe, plan.checkpoints)
    distillation, hints = plan.recipe.objective.distillation, plan.recipe.pretraining
    if teacher is None or not probabilities_are_compared(plan.recipe) or not teacher.recipe.objective.label_smoothing:
        return
    part = "/pretraining" if distillation is None else "/objective/distillation"
    temperature = distillation.temperature if distillation else hints.temperature if isinstance(hints, Hints) else 1.0
    if temperature > 1:
        yield Advice(
            code="smoothed_teacher",
            severity="warning",
            pointer=f"{part}/temperature",
            message=f"label smoothing made all wrong classes look alike to the teacher; at temperature {temperature:g} "
            "little of what they differ in is left. At 1 more of it is, and a teacher of hard labels tells most.",
            source="Mueller et al. 2019, arXiv 1906.02629; Chandrasegaran et al. 2022, arXiv 2206.14532",
            patch=replace(f"{part}/temperature", 1.0),
        )


def hints_for_a_shallow_student(plan: Plan) -> Iterator[Advice]:
    """Hints are for students that are too deep to train otherwise."""
    hints, teacher = plan.recipe.pretraining, teacher_of(plan.recipe, plan.checkpoints)
    if not isinstance(hints, Hints) or teacher is None:
        return
    ours, theirs = len(hidden_layers(plan.root)), len(hidden_layers(teacher.root))
    if ours <= theirs:
        distilled = replace("/objective/distillation", Distillation(teacher=hints.teacher))
        yield Advice(
            code="hints_for_a_shallow_student",
            severity="info",
            pointer="/pretraining",
            message=f"{ours} hidden layers learn from {theirs}: hints help students that are deeper than their "
            "teacher; for others its probabilities alone usually do.",
            source="Romero et al. 2015, arXiv 1412.6550",
            patch=replace("/pretraining", Off()) + (distilled if probabilities_are_compared(plan.recipe) else ()),
        )


def hints_guide_too_deep(plan: Plan) -> Iterator[Advice]:
    """What is behind the guided layer is all the freedom that is left."""
    hints = plan.recipe.pretraining
    if not isinstance(hints, Hints) or hints.guided_layer is None:
        return
    count = len(hidden_layers(plan.root))
    middle = (count + 1) // 2
    if hints.guided_layer > max(DEEP * count, middle):
        yield Advice(
            code="hints_guide_too_deep",
            severity="warning",
            pointer="/pretraining/guided_layer",
            message=f"the hint fixes {hints.guided_layer} of {count} hidden layers before the task is seen, which "
            f"leaves the student little freedom; the middle one is layer {middle}.",
            source="Romero et al. 2015, arXiv 1412.6550, section 2.2",
            patch=replace("/pretraining/guided_layer", middle),
        )
