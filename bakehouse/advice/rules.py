"""Every rule, in the order in which advice is given."""

from collections.abc import Callable, Iterator

from bakehouse.advice import dropout, norm, regularizer, training
from bakehouse.advice.advice import Advice
from bakehouse.plan.plan import Plan

Rule = Callable[[Plan], Iterator[Advice]]

RULES: tuple[Rule, ...] = (
    regularizer.two_decays,
    regularizer.decay_too_strong,
    dropout.variance_shift_direct,
    dropout.variance_shift,
    dropout.dropout_rate_high,
    norm.batch_norm_small_batch,
    norm.batch_renorm_stays_plain,
    norm.batch_renorm_averages_lag,
    norm.group_norm_single_channel,
    norm.saturating_without_norm,
    norm.high_lr_without_norm,
    norm.instance_norm_in_classifier,
    regularizer.l2_with_adam,
    regularizer.l1_subgradient,
    regularizer.max_norm_with_decay,
    regularizer.weight_noise_without_effect,
    training.inputs_not_normalized,
    training.flip_changes_meaning,
    training.input_noise_large,
    training.smoothing_strong,
    training.large_batch_without_warmup,
    training.short_patience,
    training.few_validation_rows,
    training.stops_before_the_drop,
)


def advise(plan: Plan) -> Iterator[Advice]:
    """What the literature says about this combination of ingredients."""
    for rule in RULES:
        yield from rule(plan)
