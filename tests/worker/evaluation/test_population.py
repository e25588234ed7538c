"""Population statistics against all training rows at once, and what they leave untouched."""

import pytest
import torch
from torch import nn

from tests.small_trainings import DIGITS_CNN, IRIS, Document, bits, epochs_of, make_training, measure_split, run_to_end
from worker.data.dataset import Split
from worker.evaluation.population import Population, estimate, even_batches
from worker.model.modules import BatchRenorm
from worker.model.moments import Moments
from worker.model.state_dict import with_own_buffers

POPULATION: Document = {"evaluation": {"statistics": "population"}}


def run_through(model: nn.Module, inputs: torch.Tensor, sizes: list[int], norms: list[nn.Module]) -> None:
    """Takes the statistics in batches of these sizes."""
    for _ in estimate(
        model,
        Split(inputs, torch.zeros(len(inputs))),
        torch.split(torch.arange(len(inputs)), sizes),
        {norm: Moments() for norm in norms},
    ):
        pass


def test_mean_and_variance_are_those_of_all_rows_with_dropout_off() -> None:
    norm = nn.BatchNorm1d(3)
    model = nn.Sequential(nn.Dropout(0.5), norm).train()
    inputs = 5 + 2 * torch.randn(40, 3)
    run_through(model, inputs, [7, 20, 13], [norm])
    rows = inputs.double().numpy()
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.running_mean.numpy() == pytest.approx(rows.mean(0), rel=1e-5)
    assert norm.running_var.numpy() == pytest.approx(rows.var(0, ddof=1), rel=1e-5)


def test_what_dropout_inflates_in_training_is_not_in_it() -> None:
    norm = nn.BatchNorm1d(1)
    model = nn.Sequential(nn.Dropout(0.5), norm)
    inputs = torch.randn(4000, 1)
    run_through(model, inputs, [100] * 40, [norm])
    assert float(norm.running_var or 0) == pytest.approx(1.0, abs=0.1)
    for rows in torch.split(inputs, 100):
        model.train()(rows)
    assert float(norm.running_var or 0) == pytest.approx(2.0, abs=0.3)


def test_maps_are_counted_pixel_by_pixel_and_a_later_norm_sees_normalised_inputs() -> None:
    first, second = nn.BatchNorm2d(2), nn.BatchNorm2d(2)
    inputs = 3 + torch.randn(10, 2, 4, 5) * torch.tensor([1.0, 4.0])[:, None, None]
    run_through(nn.Sequential(first, second), inputs, [10], [first, second])
    rows = inputs.transpose(0, 1).flatten(1).double()
    assert first.running_var is not None
    assert second.running_var is not None
    assert first.running_var.numpy() == pytest.approx(rows.var(1, correction=1).numpy(), rel=1e-5)
    assert second.running_var.numpy() == pytest.approx([200 / 199] * 2, rel=1e-4)


def test_a_later_norm_gets_nearly_what_evaluation_will_feed_it() -> None:
    torch.manual_seed(0)
    first, second = nn.BatchNorm1d(8), nn.BatchNorm1d(8)
    model = nn.Sequential(nn.Linear(8, 8), first, nn.ReLU(), nn.Linear(8, 8), second)
    inputs = torch.randn(2048, 8)
    run_through(model, inputs, [128] * 16, [first, second])
    with torch.no_grad():
        fed = model.eval()[:4](inputs).double()
    assert second.running_mean is not None
    assert second.running_var is not None
    assert second.running_mean.numpy() == pytest.approx(fed.mean(0).numpy(), abs=0.01)
    assert second.running_var.numpy() == pytest.approx(fed.var(0).numpy(), rel=0.02)


def test_batch_renorm_gets_the_root_of_the_biased_variance_and_eps() -> None:
    training = make_training({**IRIS, **POPULATION, "norm": {"type": "batch_renorm", "eps": 0.5}})
    norm = training.model.get_submodule("hidden1.norm")
    assert isinstance(norm, BatchRenorm)
    twin = taken(training)
    after = twin.get_submodule("hidden1.norm")
    assert isinstance(after, BatchRenorm)
    with torch.no_grad():
        linear = training.model.get_submodule("hidden1.linear")
        rows = linear(training.model[0](training.data.train.inputs)).double()
    assert after.running_mean.numpy() == pytest.approx(rows.mean(0).numpy(), rel=1e-4, abs=1e-6)
    assert after.running_std.numpy() == pytest.approx((rows.var(0, correction=0) + 0.5).sqrt().numpy(), rel=1e-5)
    assert norm.running_std.tolist() == [1.0] * 8
    assert int(after.num_batches_tracked) == 0


def taken(training: object) -> nn.Sequential:
    """The copy with population statistics."""
    assert isinstance(training, type(make_training(IRIS)))
    assert training.statistics is not None
    measuring = training.statistics.of(training.model, training.step)
    while True:
        try:
            next(measuring)
        except StopIteration as end:
            twin: nn.Sequential = end.value
            return twin


def test_frozen_norms_keep_theirs() -> None:
    training = make_training({**DIGITS_CNN, **POPULATION})
    norm = training.model.get_submodule("stage1.conv1.norm")
    training.statistics = Population(training.plan, training.data, [norm])
    twin = taken(training)
    assert twin.state_dict()["stage1.conv1.norm.running_mean"].tolist() == [0.0] * 8


@pytest.mark.parametrize("norm", ["batch_norm", "batch_renorm", "cross_iteration_batch_norm"])
def test_training_itself_goes_on_untouched(norm: str) -> None:
    document: Document = {**DIGITS_CNN, "norm": norm, "early_stopping": None}
    plain, population = (run_to_end(make_training({**document, **more})) for more in ({}, POPULATION))
    assert plain.weights == population.weights
    steps = [[item for item in outcome.logged if "loss" in item] for outcome in (plain, population)]
    assert steps[0] == steps[1]
    assert plain.logged[-1]["metrics"] != population.logged[-1]["metrics"]


def test_best_is_best_by_them_and_best_and_last_reproduce_their_metrics() -> None:
    document: Document = {**DIGITS_CNN, **POPULATION, "optimizer": {"type": "adam", "lr": 0.1}, "epochs": 4}
    training = make_training(document)
    outcome = run_to_end(training)
    epochs = [item for item in outcome.logged if "is_best" in item]
    best = min(epochs, key=lambda item: float(item["metrics"]["validation_loss"]))
    assert best["epoch"] == training.stopper.best_epoch
    for weights, epoch in ((outcome.best_weights, best), (outcome.last_weights, epochs[-1])):
        fresh = make_training(document)
        for name, tensor in fresh.model.state_dict().items():
            tensor.copy_(torch.frombuffer(bytearray(weights[name]), dtype=tensor.dtype).view(tensor.shape))
        assert measure_split(fresh, "validation")["validation_loss"] == epoch["metrics"]["validation_loss"]
    assert outcome.last_weights != outcome.weights


def test_statistics_that_lag_are_what_it_mends() -> None:
    document: Document = {**DIGITS_CNN, "norm": {"type": "batch_norm", "momentum": 0.001}}
    lagging, mended = (list(epochs_of(make_training({**document, **more})))[-1] for more in ({}, POPULATION))
    assert mended.metrics["validation_loss"] < lagging.metrics["validation_loss"]


def test_a_copy_shares_parameters_and_nothing_else() -> None:
    training = make_training(DIGITS_CNN)
    before = bits(training.weights())
    twin = with_own_buffers(training.model)
    assert [id(item) for item in twin.parameters()] == [id(item) for item in training.model.parameters()]
    twin.train()(training.data.train.inputs[:64])
    assert bits(training.weights()) == before


def test_no_batch_is_left_with_a_single_row() -> None:
    sizes = [len(part) for part in even_batches(torch.arange(129), 128)]
    assert sizes == [65, 64]
    assert [len(part) for part in even_batches(torch.arange(128), 128)] == [128]
