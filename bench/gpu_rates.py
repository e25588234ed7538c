"""`python -P bench/gpu_rates.py SIDE MODEL BATCH SECONDS DEVICE`: prints one measurement of training as JSON.

SIDE is `plain` (a loop as a user would write it), `tuned` (compiled, bfloat16, channels-last, a fused optimizer),
`float32`, `bfloat16` or `compiled` (Bakehouse with these settings). All sides train on the same random images.
"""

import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS = 10_240
CLASSES = 10
SHAPES = {"mlp": (64,), "cnn": (1, 28, 28), "wide_resnet": (3, 32, 32)}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "mlp": {"type": "mlp", "hidden": [256, 256]},
    "cnn": {"type": "cnn", "channels": [32, 64], "convolutions": 2, "hidden": [128]},
    "wide_resnet": {"type": "wide_resnet", "depth": 16, "width": 4},
}
PRODUCT: dict[str, dict[str, Any]] = {
    "float32": {},
    "bfloat16": {"precision": "bfloat16"},
    "compiled": {"precision": "bfloat16", "compile": "on"},
}
# Compilation and the choice of kernels happen in these steps, which are not measured.
WARM_UP_STEPS = 40
# The device is waited for once in so many steps, so that the clock is read when their work is done.
STEPS_PER_READING = 20


class Block(nn.Module):
    """A residual block of two 3x3 convolutions, each after a norm and an activation."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        is_same = inputs == outputs and stride == 1
        self.shortcut = None if is_same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Adds the convolutions' output to the input, or to its projection."""
        hidden = self.conv1(functional.relu(self.norm1(inputs)))
        outputs: Tensor = self.conv2(functional.relu(self.norm2(hidden)))
        return outputs + (inputs if self.shortcut is None else self.shortcut(inputs))


def wide_resnet(*, blocks: int = 2, width: int = 4) -> nn.Module:
    """Returns WRN-16-4."""
    layers: list[nn.Module] = [nn.Conv2d(3, 16, 3, padding=1, bias=False)]
    inputs = 16
    for stage, base in enumerate((16, 32, 64)):
        for block in range(blocks):
            layers.append(Block(inputs, base * width, 2 if stage > 0 and block == 0 else 1))
            inputs = base * width
    head = [nn.BatchNorm2d(inputs), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, CLASSES)]
    return nn.Sequential(*layers, *head)


def plain_model(name: str) -> nn.Module:
    """Returns the model as a user would write it."""
    # Python runs this file from its folder only without -P, so the plain models are imported by their path.
    from bench.baseline_loop import digits_mlp, fashion_cnn  # noqa: PLC0415

    return {"mlp": digits_mlp, "cnn": fashion_cnn, "wide_resnet": wide_resnet}[name]()


def random_set(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns random inputs and classes."""
    generator = np.random.default_rng(0)
    return generator.integers(0, 256, (ROWS, *SHAPES[name]), dtype=np.uint8), generator.integers(0, CLASSES, ROWS)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def loop_steps(name: str, batch_size: int, device: torch.device, *, is_tuned: bool) -> Iterator[None]:
    """Trains in a plain loop; yields after each step."""
    numbers, classes = random_set(name)
    inputs = torch.tensor(numbers, dtype=torch.float32, device=device)
    inputs = (inputs - inputs.mean()) / inputs.std()
    targets = torch.tensor(classes, device=device)
    model = plain_model(name).to(device)
    forward: Callable[[Tensor], Tensor] = model
    if is_tuned:
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        if inputs.ndim == 4:
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        forward = torch.compile(model, mode="reduce-overhead")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=is_tuned)
    while True:
        order = torch.randperm(ROWS, device=device)
        # Batches of one size only: another shape would be compiled again.
        for rows in torch.split(order, batch_size)[: ROWS // batch_size]:
            with torch.autocast(device.type, torch.bfloat16, enabled=is_tuned):
                outputs = forward(inputs[rows])
            loss = functional.cross_entropy(outputs.float(), targets[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            yield


def product_steps(side: str, name: str, batch_size: int, device_name: str) -> Iterator[None]:
    """Trains with the product's own loop, without Redis and files; yields after each unit of work."""
    from bakehouse.data.catalog import Catalog  # noqa: PLC0415
    from bakehouse.plan.plan import make_plan  # noqa: PLC0415
    from bakehouse.recipe.read import read_recipe  # noqa: PLC0415
    from bakehouse.settings import Settings  # noqa: PLC0415
    from worker.data.dataset import load_data  # noqa: PLC0415
    from worker.device import open_device  # noqa: PLC0415
    from worker.training.training import Training  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="bakehouse-bench-") as folder:
        inputs, targets = random_set(name)
        data = Path(folder, "data")
        data.mkdir()
        np.savez(data / "random.npz", x=inputs, y=targets)
        settings = Settings(home=Path(folder, "home"), data=data, device=device_name)
        device = open_device(settings)
        catalog = Catalog(settings)
        recipe = {
            "dataset": {"id": "random", "validation_fraction": 0.01},
            "architecture": ARCHITECTURES[name],
            "norm": "batch_norm",
            "optimizer": {"type": "sgd", "lr": 0.01, "momentum": 0.9},
            "batch_size": batch_size,
            "epochs": 100_000,
            "early_stopping": "none",
            **({"dropout": 0.5} if name == "mlp" else {}),
            **PRODUCT[side],
        }
        packed = catalog.folder("random", wait_seconds=120)
        plan = make_plan(read_recipe(recipe), catalog.card("random"))
        training = Training(plan, load_data(plan, packed, device), device)
        last = 0
        for _ in training.run():
            if training.step > last:
                last = training.step
                yield


def count_waits(steps: Iterator[None], number: int) -> float:
    """Returns how often a step makes the CPU wait for the GPU; by torch's own count of such operations."""
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(number):
            next(steps)
    torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing" in str(warning.message) for warning in caught) / number


def main() -> None:
    side, name, batch_text, seconds_text, device_name = sys.argv[1:]
    batch_size = int(batch_text)
    seconds = float(seconds_text)
    device = torch.device(device_name)
    # Like a training process; on a busy CPU, more threads would wait for each other.
    torch.set_num_threads(1)
    if side in PRODUCT:
        steps = product_steps(side, name, batch_size, device_name)
    else:
        steps = loop_steps(name, batch_size, device, is_tuned=side == "tuned")
    started = perf_counter()
    for _ in range(WARM_UP_STEPS):
        next(steps)
    synchronize(device)
    warm_up = perf_counter() - started
    started = perf_counter()
    count = 0
    while perf_counter() - started < seconds:
        for _ in range(STEPS_PER_READING):
            next(steps)
        synchronize(device)
        count += STEPS_PER_READING
    elapsed = perf_counter() - started
    measured: dict[str, Any] = {"samples_per_second": count * batch_size / elapsed, "warm_up_seconds": warm_up}
    if device.type == "cuda":
        measured["peak_bytes"] = torch.cuda.max_memory_allocated(device)
        measured["waits_per_step"] = count_waits(steps, STEPS_PER_READING)
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
