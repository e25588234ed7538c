"""Every rule, in the order in which advice is given, with the ingredients that it looks at: what the catalogue shows
beside each."""

from collections.abc import Callable, Iterator

from bakehouse.advice import (
    augmentation,
    curriculum,
    dropout,
    evaluation,
    norm,
    objective,
    regularizer,
    sequences,
    tasks,
    training,
    transfer,
)
from bakehouse.advice.advice import Advice
from bakehouse.plan.plan import Plan
from bakehouse.recipe.architecture import Cnn, Densenet, Fitnet, Mlp, Preresnet, Resnet, Resnext, Rnn, WideResnet
from bakehouse.recipe.augmentation import (
    Affine,
    ColorJitter,
    Cutmix,
    HorizontalFlip,
    InputNoise,
    Mixup,
    RandAugment,
    ScaleCrop,
    TrivialAugment,
)
from bakehouse.recipe.curriculum import Curriculum, SelfPaced
from bakehouse.recipe.dataset import Dataset
from bakehouse.recipe.dropout import (
    DropConnect,
    Dropout,
    GaussianDropout,
    GaussianNoise,
    SpatialDropout,
    Uout,
    VanillaDropout,
)
from bakehouse.recipe.early_stopping import GeneralizationLoss, Patience, ProgressQuotient, SuccessiveIncreases
from bakehouse.recipe.evaluation import Crops, Evaluation
from bakehouse.recipe.ingredient import Ingredient
from bakehouse.recipe.norm import BatchNorm, BatchRenorm, CrossIterationBatchNorm, GroupNorm, InstanceNorm
from bakehouse.recipe.objective import Adversarial, Distillation, ExtraTask, LabelSmoothing
from bakehouse.recipe.optimizer import Adam, Rmsprop, Sgd
from bakehouse.recipe.pretraining import Hints, Transfer
from bakehouse.recipe.regularizer import L1, L2, GradientClip, MaxNorm, WeightDecay, WeightNoise
from bakehouse.recipe.schedule import Constant, Cosine, MultiStep, Plateau, Step

Rule = Callable[[Plan], Iterator[Advice]]
Kinds = tuple[type[Ingredient], ...]

DROPOUTS: Kinds = (
    Dropout, VanillaDropout, SpatialDropout, GaussianDropout, Uout, GaussianNoise, DropConnect,
)  # fmt: skip
DROPOUTS_WITH_RATE: Kinds = (Dropout, VanillaDropout, SpatialDropout, GaussianDropout, DropConnect)
EARLY_STOPPING: Kinds = (Patience, GeneralizationLoss, ProgressQuotient, SuccessiveIncreases)
WITH_ACTIVATION: Kinds = (Mlp, Cnn, Fitnet, Resnet, Preresnet, WideResnet, Resnext, Densenet, Rnn)
BATCH_STATISTICS: Kinds = (BatchNorm, BatchRenorm, CrossIterationBatchNorm)

RULES: dict[Rule, Kinds] = {
    regularizer.two_decays: (L2, WeightDecay),
    regularizer.decay_too_strong: (L1, L2, WeightDecay),
    dropout.variance_shift_direct: (*DROPOUTS, *BATCH_STATISTICS),
    dropout.variance_shift: (*DROPOUTS, *BATCH_STATISTICS),
    dropout.dropout_rate_high: DROPOUTS_WITH_RATE,
    dropout.dropout_before_the_last_norm: (*DROPOUTS_WITH_RATE, Preresnet, WideResnet),
    dropout.dropout_of_many_classes: (Dropout, VanillaDropout, GaussianDropout),
    dropout.dropout_without_max_norm: (Dropout, VanillaDropout, MaxNorm, Sgd),
    dropout.dropout_alone: DROPOUTS,
    evaluation.statistics_hold_the_shift: (Evaluation, *DROPOUTS, *BATCH_STATISTICS),
    evaluation.measuring_outweighs_training: (Evaluation,),
    evaluation.crops_change_meaning: (Crops,),
    norm.batch_norm_small_batch: (BatchNorm,),
    norm.batch_renorm_stays_plain: (BatchRenorm,),
    norm.batch_renorm_averages_lag: (BatchRenorm,),
    norm.cross_iteration_without_burn_in: (CrossIterationBatchNorm,),
    norm.cross_iteration_stays_plain: (CrossIterationBatchNorm,),
    norm.group_norm_single_channel: (GroupNorm,),
    norm.saturating_without_norm: WITH_ACTIVATION,
    norm.high_lr_without_norm: (Sgd,),
    norm.instance_norm_in_classifier: (InstanceNorm,),
    sequences.batch_norm_over_steps: (Rnn, BatchNorm, BatchRenorm),
    sequences.recurrent_gradients_unclipped: (Rnn, GradientClip),
    regularizer.l2_with_adam: (L2, Adam, Rmsprop),
    regularizer.l2_before_batch_norm: (L2, *BATCH_STATISTICS),
    regularizer.l1_subgradient: (L1,),
    regularizer.decay_of_biases_and_norms: (L1, L2, WeightDecay),
    regularizer.max_norm_with_decay: (MaxNorm, L2, WeightDecay),
    regularizer.weight_noise_without_effect: (WeightNoise,),
    training.inputs_not_normalized: (Dataset,),
    augmentation.flip_changes_meaning: (HorizontalFlip,),
    augmentation.rotation_changes_meaning: (Affine, RandAugment, TrivialAugment),
    augmentation.scale_crop_without_room: (ScaleCrop,),
    augmentation.hue_turned_far: (ColorJitter,),
    augmentation.input_noise_large: (InputNoise,),
    augmentation.smoothing_of_mixed_targets: (Mixup, Cutmix, LabelSmoothing),
    tasks.task_weights_far_apart: (ExtraTask,),
    training.smoothing_strong: (LabelSmoothing,),
    objective.adversarial_epsilon_large: (Adversarial,),
    objective.adversarial_costs_accuracy: (Adversarial,),
    objective.smoothed_teacher: (Distillation, Hints),
    objective.hints_for_a_shallow_student: (Hints,),
    objective.hints_guide_too_deep: (Hints,),
    training.large_batch_without_warmup: (Sgd, Constant, Step, MultiStep, Cosine, Plateau),
    training.short_patience: (Patience,),
    training.few_validation_rows: (Patience, GeneralizationLoss, ProgressQuotient),
    training.stops_before_the_drop: (Patience, Step, MultiStep, Plateau),
    curriculum.curriculum_with_batch_norm: (Curriculum, SelfPaced, *BATCH_STATISTICS),
    curriculum.curriculum_ends_late: (Curriculum, SelfPaced),
    curriculum.self_paced_without_warmup: (SelfPaced,),
    curriculum.stops_within_curriculum: (Curriculum, SelfPaced, *EARLY_STOPPING),
    transfer.transfer_other_activation: (Transfer, *WITH_ACTIVATION),
    transfer.transfer_inputs_elsewhere: (Transfer,),
}


def advise(plan: Plan) -> Iterator[Advice]:
    """What the literature says about this combination of ingredients."""
    for rule in RULES:
        yield from rule(plan)


def rules_about(kind: type[Ingredient]) -> Iterator[Rule]:
    """Those that look at one kind of ingredient."""
    return (rule for rule, kinds in RULES.items() if kind in kinds)
