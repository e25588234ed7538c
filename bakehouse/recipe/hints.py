"""Finds the place of a name that was written in the wrong place of a recipe, or that other libraries use."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from bakehouse.recipe.ingredient import Ingredient, variants
from bakehouse.recipe.problems import MAX_NAME_CHARACTERS, did_you_mean, nearest_names

# A name this near is a slip of the finger; a name that is less near may as well be a name from elsewhere.
SLIP = 0.8
SHORTEST_SLIP = 6
MAX_PLACES = 3
MAX_NAMES = 3

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    name: tuple(places.split())
    for places, names in {
        "dataset": "data data_set dataset_name dataset_id train_data training_data csv",
        "dataset.validation_fraction": "val_split validation_split valid_fraction val_fraction val_size",
        "dataset.folds": "cv k_fold k_folds kfold kfolds num_folds n_folds n_splits cross_validation",
        "dataset.fold": "fold_id fold_index fold_number",
        "dataset.target": "label_column target_column target_name y",
        "dataset.normalization": "scaler standardize standardise input_normalization preprocessing",
        "dataset.columns.include": "features feature_columns feature_names input_columns input_features inputs usecols "
        "use_columns numeric_features",
        "dataset.columns.exclude": "drop_columns ignore_columns ignored_columns skip_columns exclude_columns id_column",
        "dataset.columns.kinds": "dtypes column_types column_kinds feature_types categorical_features "
        "categorical_columns cat_features categorical",
        "dataset.columns.missing": "imputer impute imputation fillna missing_values missing_value_strategy na_values",
        "dataset.sequence.id": "sequence_id sequence_column series_id series_column entity_id group_by groupby",
        "dataset.sequence.order": "sort_by order_by sequence_order time_column timestamp_column step_column",
        "dataset.id": "path file filename file_name",
        "dropout.placement norm.placement": "position location where",
        "dataset.split_seed": "data_seed fold_seed",
        "architecture": "model network net backbone arch module",
        "architecture.hidden": "hidden_size hidden_sizes hidden_units hidden_layers hidden_dim hidden_dims "
        "layers layer_sizes units widths n_hidden",
        "architecture.channels": "filters num_filters n_filters out_channels",
        "architecture.activation": "activation_function act nonlinearity",
        "architecture=mlp": "dense feedforward fully_connected perceptron fcnn dnn",
        "architecture=linear": "logistic_regression linear_regression logistic softmax_regression",
        "architecture=cnn": "convnet conv convolutional lenet",
        "architecture=rnn": "lstm gru recurrent",
        "norm": "normalisation normalization norm_layer norm_type normalizer",
        "norm=batch_norm": "bn batch_normalization batch_norm_1d batch_norm_2d use_batch_norm",
        "norm=layer_norm": "ln layer_normalization",
        "norm=group_norm": "gn group_normalization",
        "norm=instance_norm": "in instance_normalization",
        "dropout.rate": "dropout_rate dropout_prob dropout_p drop_rate drop_prob probability prob p",
        "augmentation": "transform transforms data_augmentation augment aug",
        "augmentation.padding": "pad",
        "augmentation=horizontal_flip": "flip hflip random_flip random_horizontal_flip fliplr",
        "augmentation=affine": "rotate rotation random_rotation translate shear",
        "augmentation=cutout": "random_erasing erasing",
        "augmentation=color_jitter": "brightness_jitter colorjitter",
        "augmentation=input_noise": "noise gaussian_noise_input",
        "regularizer": "regularization regularisation regulariser penalty kernel_regularizer",
        "regularizer.coefficient": "lambda lambd strength penalty_weight l1_lambda l2_lambda",
        "regularizer=weight_decay": "wd decay decoupled_weight_decay",
        "regularizer=l1": "lasso l1_penalty l1_reg",
        "regularizer=l2": "ridge l2_penalty l2_reg",
        "regularizer=gradient_clip": "clip grad_clip clip_grad clipnorm clip_norm max_grad_norm gradient_clip_val "
        "gradient_clipping clip_gradients",
        "objective.loss": "loss criterion loss_fn loss_function cost",
        "objective.label_smoothing": "smoothing",
        "optimizer": "optimiser optim solver opt",
        "optimizer.lr": "learning_rate lr step_size_of_optimizer learningrate eta eta0 base_lr initial_lr init_lr "
        "learning_rate_init max_lr",
        "optimizer.betas": "beta beta1 beta2 beta_1 beta_2",
        "optimizer.eps norm.eps": "epsilon_of_optimizer adam_epsilon",
        "optimizer.alpha": "rho smoothing_constant",
        "optimizer=sgd": "gradient_descent stochastic_gradient_descent gd",
        "schedule": "scheduler lr_scheduler lr_schedule learning_rate_schedule lr_decay annealing",
        "schedule.gamma schedule.factor": "factor gamma decay_rate drop",
        "schedule.warmup_epochs": "warmup warmup_steps warm_up num_warmup_steps lr_warmup_epochs",
        "schedule=plateau": "reduce_lr_on_plateau reduce_on_plateau",
        "schedule=cosine": "cosine_annealing cosine_decay cosine_annealing_lr",
        "schedule=one_cycle": "one_cycle_lr onecycle",
        "batch_size": "batch bs mini_batch_size minibatch_size train_batch_size batch_rows",
        "epochs": "max_epochs epochs_max num_epochs n_epochs nb_epochs num_train_epochs max_iter iterations n_iter",
        "early_stopping": "early_stop stop_early earlystop earlystopping_callback",
        "early_stopping.patience schedule.patience": "patience wait n_iter_no_change",
        "early_stopping.min_delta schedule.min_delta": "min_delta tol tolerance threshold delta",
        "evaluation.monitor": "metric metrics monitor_metric score scoring eval_metric",
        "seed": "random_state random_seed manual_seed rng_seed",
        "precision": "dtype amp fp16 bf16 mixed_precision half",
        "time_budget_seconds": "timeout time_limit max_time max_seconds time_budget",
        "labels": "tags metadata",
        "name": "title run_name description experiment_name",
        "pretraining": "pretrained init_from from_checkpoint weights finetune fine_tune warm_start",
    }.items()
    for name in names.split()
}
"""Names of other libraries, with the places that have them here: a path of fields, or `family=variant`."""

CHOICES: Mapping[str, str] = {
    name: choice
    for choice, names in {
        "cross_entropy": "ce nll softmax categorical_crossentropy sparse_categorical_crossentropy",
        "binary_cross_entropy": "bce bce_with_logits logistic",
        "squared_error": "mse mean_squared_error l2 rmse",
        "bfloat16": "bf16 fp16 float16 half",
        "float32": "fp32 float full",
        "standardize": "standard z_score zscore standard_scaler",
        "min_max": "minmax min_max_scaler",
        "auto": "default",
    }.items()
    for name in names.split()
}
"""Names of other libraries for the values of fields that have a list of values."""

REMARKS: Mapping[str, str] = {
    "recipe": "post the recipe itself, without an object around it",
    "config": "post the recipe itself, without an object around it",
    "device": "a recipe leaves the device to the worker; its setting is BAKEHOUSE_DEVICE",
    "gpu": "a recipe leaves the device to the worker; its setting is BAKEHOUSE_DEVICE",
    "gpus": "a recipe leaves the device to the worker; its setting is BAKEHOUSE_DEVICE",
    "cuda": "a recipe leaves the device to the worker; its setting is BAKEHOUSE_DEVICE",
    "num_workers": "a recipe has no loader processes; the setting BAKEHOUSE_WORKERS is the number of runs at a time",
    "test_size": "the test split is fixed, so that all runs are measured on the same rows",
    "test_split": "the test split is fixed, so that all runs are measured on the same rows",
    "test_fraction": "the test split is fixed, so that all runs are measured on the same rows",
    "shuffle": "training rows are always shuffled, by the seed",
    "mode": "the monitor's name decides: accuracies and R^2 are maximised, losses and errors minimised",
    "restore_best_weights": "the weights of the best epoch are always kept",
    "save_best_only": "the weights of the best epoch are always kept",
    "T_max": "the rate falls over all `epochs`",
    "verbose": "`bakehouse watch ID` shows the epochs",
    "callbacks": "early stopping, schedules and diagnostics are fields of the recipe",
    "seeds": "a recipe has one seed; `bakehouse run RECIPE --seeds 0-4` queues one run for each",
}
"""Names of other libraries that have no place in a recipe, with the reason."""


@dataclass(frozen=True)
class Place:
    """A place of the recipe language where a name is taken."""

    path: tuple[str, ...]
    """The names of the fields that lead there, without the types of variants."""
    variants: tuple[str, ...] = ()
    """The variants that have the field, if others of the same family do not."""
    is_variant: bool = False
    """Whether the name is the type of a variant, and the path that of its family."""

    def __str__(self) -> str:
        dotted = ".".join(self.path)
        if self.is_variant:
            return f'{dotted}, as {{"type": "{self.variants[0]}"}}'
        if len(self.path) == 1:
            return f"{dotted}, at the top of the recipe"
        is_short = 0 < len(self.variants) <= MAX_NAMES
        return f"{dotted} ({', '.join(self.variants)})" if is_short else dotted


Index = Mapping[str, Sequence[Place]]


def hint_for_field(name: str, owner: type[Ingredient], path: Sequence[str], index: Index, extra: Sequence[str]) -> str:
    """Returns the end of a message about an unknown field of the ingredient `owner` at `path`: where the name belongs,
    or what it is called here. `extra` are fields that a short form adds."""
    if name in owner.hints and name not in extra:
        return f": {owner.hints[name]}"
    fields = (*owner.model_fields, *extra)
    known = known_places(name, index)
    inside = [place for place in known if place.path[:-1] == tuple(path) and not place.is_variant]
    own = [place.path[-1] for place in inside if place.path[-1] in fields]
    own += [place.variants[0] for place in known if place.is_variant and place.variants[0] in extra]
    names = nearest_names(name, fields, cutoff=SLIP) or own
    if names:
        return f"; did you mean {names[0]!r}?"
    if name == "type" and owner.main:
        return f"; this part has no variants, and a bare value sets its {owner.main!r}"
    if remark := remarks_by_word().get(plain(name)):
        return f": {remark}"
    tag = owner.model_fields["type"].default if "type" in owner.model_fields else None
    return hint_of_places(name, path, index, own_variant=tag) or did_you_mean(name, fields)


def hint_for_variant(given: object, family: Sequence[str], tags: Sequence[str], index: Index) -> str:
    """Returns the end of a message about an unknown variant of a family: its name here, or its place elsewhere."""
    name = str(given)[:MAX_NAME_CHARACTERS]
    known = [place for place in known_places(name, index) if place.path == tuple(family) and place.is_variant]
    names = nearest_names(name, tags, cutoff=SLIP) or [tag for place in known for tag in place.variants]
    if names:
        return f"; did you mean {names[0]!r}?"
    return hint_of_places(name, family, index) or did_you_mean(name, tags)


def hint_for_choice(given: object, allowed: Sequence[str]) -> str:
    """Returns the end of a message about a value that is not one of a field's values: the nearest, or its name here."""
    known = {plain(name): choice for name, choice in CHOICES.items()}.get(plain(str(given)[:MAX_NAME_CHARACTERS]))
    return f"; did you mean {known!r}?" if known in allowed else did_you_mean(given, allowed)


def hint_of_places(name: str, path: Sequence[str], index: Index, *, own_variant: str | None = None) -> str:
    """Returns where a name is taken outside the object at `path`, as the end of a message."""
    same_family = [place for place in index.get(plain(name), ()) if place.path[:-1] == tuple(path) and place.variants]
    if path and same_family:
        owners = same_family[0].variants
        return f"; only {', '.join(owners)} {'has' if len(owners) == 1 else 'have'} it"
    places = known_places(name, index)
    # Short names are near to many others.
    if not places and len(name) >= SHORTEST_SLIP:
        taken = [place for same in index.values() for place in same]
        names = [place.variants[0] if place.is_variant else place.path[-1] for place in taken]
        slips = nearest_names(name, names, cutoff=SLIP)
        places = known_places(slips[0], index) if slips else []
    others = [str(place) for place in places if (place.path, place.variants) != (tuple(path), (own_variant,))]
    return f"; its place is {' or '.join(others[:MAX_PLACES])}" if others else ""


def known_places(name: str, index: Index) -> list[Place]:
    """Returns the places where a name is taken: those in the table of synonyms, or else those of the schema, the ones
    nearest to the top first."""
    word = plain(name)
    if synonyms := [place_of(text, index) for text in synonyms_by_word().get(word, ())]:
        return synonyms
    taken = sorted(index.get(word, ()), key=lambda place: len(place.path))
    # A name at the top is meant, even if an ingredient has a field of the same name.
    return [place for place in taken if len(place.path) == 1 and not place.is_variant] or taken


def plain(name: str) -> str:
    """Returns a name without what libraries write differently: case, underscores and hyphens."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def synonyms_by_word() -> Mapping[str, tuple[str, ...]]:
    return {plain(name): places for name, places in SYNONYMS.items()}


@cache
def remarks_by_word() -> Mapping[str, str]:
    return {plain(name): remark for name, remark in REMARKS.items()}


def place_of(text: str, index: Index) -> Place:
    """Returns the place that an entry of the table of synonyms names."""
    dotted, _, variant = text.partition("=")
    path = tuple(dotted.split("."))
    if variant:
        return Place(path, (variant,), is_variant=True)
    return next(place for place in index[plain(path[-1])] if place.path == path and not place.is_variant)


def index_places(recipe: type[Ingredient]) -> Index:
    """Returns all names that a recipe can contain, each with its places."""
    index: dict[str, list[Place]] = {}
    for name, place in places_in(recipe, ()):
        index.setdefault(plain(name), []).append(place)
    return index


def places_in(owner: type[Ingredient], path: tuple[str, ...]) -> Iterator[tuple[str, Place]]:
    """Yields the names of the fields and variants inside an ingredient."""
    for name, info in owner.model_fields.items():
        if name == "type":
            continue
        below = (*path, name)
        yield name, Place(below)
        yield from places_of_family(variants(info.annotation), below)


def places_of_family(family: Mapping[str, type[Ingredient]], path: tuple[str, ...]) -> Iterator[tuple[str, Place]]:
    """Yields the names of a family's variants and of their fields; a field that several have is one place."""
    owners: dict[tuple[str, Place], list[str]] = {}
    for tag, kind in family.items():
        if len(family) > 1 and tag != "none":
            yield tag, Place(path, (tag,), is_variant=True)
        for name, place in places_in(kind, path):
            owners.setdefault((name, place), []).append(tag)
    all_tags = [tag for tag in family if tag != "none"]
    for (name, place), tags in owners.items():
        is_limited = tags != all_tags and len(family) > 1 and not place.variants
        yield name, Place(place.path, tuple(tags), place.is_variant) if is_limited else place
