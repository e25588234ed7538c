"""The layers of tables with categories, dates and empty cells: what they compute, and in what they take part."""

import torch

from bakehouse.plan.layers import Embed as EmbedLayer
from bakehouse.plan.layers import walk
from tests.small_trainings import MIXED, load_small_data, make_small_plan, make_training, train_source
from worker.model.initialize import normalization_layer
from worker.model.modules import Embed, EncodeColumns
from worker.objective.teacher import Teacher
from worker.training.regularizer import parameter_groups

OTHER_SPLIT = {**MIXED, "dataset": {**MIXED["dataset"], "split_seed": 1}}


def test_an_embedding_of_a_class_is_a_row_and_of_a_mixture_the_mixture() -> None:
    layer = Embed(6, ((1, 3, 2),))
    [weight] = layer.parameters()
    rows = torch.tensor([[7.0, 0, 1, 0, 8, 9], [7.0, 0.25, 0, 0.75, 8, 9], [7.0, 0, 0, 0, 8, 9]])
    mixture = 0.25 * weight[0] + 0.75 * weight[2]
    expected = torch.stack([torch.cat([rows[0, :1], each, rows[0, 4:]]) for each in (weight[1], mixture, 0 * mixture)])
    torch.testing.assert_close(layer(rows), expected)


def test_cycles_come_round_also_before_1970() -> None:
    layer = EncodeColumns((), ((0, 86_400.0),), (), ()).double()
    found = layer(
        torch.tensor([[0.0], [21_600.0], [86_400.0 * 20_000 + 43_200.0], [-21_600.0], [torch.nan]], dtype=torch.float64)
    )
    expected = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [-1.0, 0.0], [0.0, 0.0]])
    torch.testing.assert_close(found, expected.double(), atol=1e-6, rtol=0)


def test_an_unknown_class_and_a_gap_are_zeros_but_only_the_gap_has_a_flag() -> None:
    layer = EncodeColumns((), (), (0,), ((0, 3),))
    found = layer(torch.tensor([[2.0], [-1.0], [torch.nan]]))
    assert found.tolist() == [[0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_embeddings_are_weights_for_regularizers() -> None:
    training = make_training(MIXED)
    groups = parameter_groups(training.plan.root, training.model)
    [name] = [name for name, layer in walk(training.plan.root) if isinstance(layer, EmbedLayer)]
    [weight] = training.model.get_submodule(name).parameters()
    assert any(weight is each for each in groups["weights"])


def test_a_transfer_keeps_the_statistics_of_its_source() -> None:
    source = train_source(MIXED)
    training = make_training({**OTHER_SPLIT, "pretraining": {"type": "transfer", "checkpoint": source}})
    fresh, kept = make_training(MIXED).model[0].state_dict(), training.model[0].state_dict()
    assert all(torch.equal(fresh[name], kept[name]) for name in ("shift", "scale", "fill"))
    assert not torch.equal(make_training(OTHER_SPLIT).model[0].state_dict()["fill"], kept["fill"])


def test_a_teacher_gets_the_features_that_it_was_trained_with() -> None:
    teacher, student = make_training(MIXED), make_training(OTHER_SPLIT)
    first = normalization_layer(student.plan, student.data, {})
    model = Teacher(teacher.plan, teacher.weights(), first, precision="float32")
    rows = student.data.train.inputs
    # An empty cell is the mean of the student's rows, and a class that only one of them knows is known to that one.
    rows = rows[~rows.isnan().any(1)]
    expected = normalization_layer(teacher.plan, load_small_data(make_small_plan(MIXED)), {})(rows)
    torch.testing.assert_close(model.normalised(first(rows)), expected, rtol=1e-4, atol=1e-5)
