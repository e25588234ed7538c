"""`python -m worker.host.prefork`: imports and warms up torch once, then forks this machine's workers and its task
process and predictor.

A dead worker is replaced in milliseconds, and sixteen workers share one copy of torch in memory. This process uses one
thread, no GPU and no Redis: forked children hang if a second thread or CUDA has run before the fork.
"""

import gc
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

import torch
from safetensors.torch import save

import bakehouse.data
from bakehouse.data.packed_folders import read_card
from bakehouse.exec_with_parent import die_with_parent
from bakehouse.model import JsonObject, build_models
from bakehouse.plan.plan import make_plan
from bakehouse.processes import POLL_SECONDS, REFUSED, ForkedProcess, RestartingProcess, end_all, name_this_process
from bakehouse.recipe.read import read_recipe
from bakehouse.settings import Settings
from worker.data.dataset import load_data
from worker.device import device_class, device_memory, open_device, threads, versions
from worker.host.predictor import serve_predictions
from worker.host.rq_worker import serve
from worker.host.task_worker import serve_tasks
from worker.tasks.preview import draw_preview
from worker.training.training import Training

DIGITS = Path(bakehouse.data.__file__).parent / "builtin" / "digits"
# The recipe has a convolution, a norm, dropout and augmentation, so that torch sets up the code of each.
WARM_UP = {
    "dataset": "digits",
    "architecture": {"type": "cnn", "channels": [4], "hidden": [8]},
    "norm": "batch_norm",
    "dropout": 0.5,
    "augmentation": ["random_crop", {"type": "input_noise"}, "mixup"],
}
# Less than the time that the supervisor gives this process, so that it kills its workers before it is killed itself.
GRACE_SECONDS = 28.0


def warm_up() -> None:
    """Trains a small model for one step, so that torch's setup at first use happens here and not in every child."""
    # A second thread in this process would make the forked children hang.
    torch.set_num_threads(1)
    # Otherwise every child would build them again.
    build_models()
    plan = make_plan(read_recipe(WARM_UP), read_card(DIGITS))
    device = torch.device("cpu")
    training = Training(plan, load_data(plan, DIGITS, device), device)
    next(training.run())
    # Their first use reads files and imports modules.
    versions(device)
    save(training.model.state_dict())
    draw_preview(plan, load_data(plan, DIGITS, device), {})
    # The collections of the children leave out what exists now, so that the pages stay shared.
    gc.collect()
    gc.freeze()


def inspect_device(settings: Settings) -> JsonObject:
    """Returns a description of the device. A child process opens it, because this process must never open a GPU."""
    parent = os.getpid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # A driver that hangs must not keep this child after its parent.
        die_with_parent(parent, signal.SIGKILL)
        os.write(writing, json.dumps(describe_device(settings)).encode())
        os._exit(0)
    # Otherwise `read` would never end, because this process would still hold the pipe's writing end.
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    info = json.loads(text)
    assert isinstance(info, dict)
    return info


def describe_device(settings: Settings) -> JsonObject:
    """Opens the device and describes it; returns the reason as `refusal` if it cannot be used."""
    try:
        device = open_device(settings)
        memory = device_memory(device, settings)
        info = {"device": device_class(device), "memory_bytes": memory, "versions": versions(device)}
        info["threads"] = threads(settings)
        return {**info, "gpus": torch.cuda.device_count() if device.type == "cuda" else 0}
    # torch has no class of its own for a device that it does not know or that this machine lacks.
    except (RuntimeError, AssertionError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        return {
            "refusal": f"BAKEHOUSE_DEVICE is {settings.device}, which cannot be used here ({reason}): choose auto, "
            "cpu, or a GPU that this machine has"
        }


def assign_device(settings: Settings, number: int, gpus: int) -> Settings:
    """Returns the settings with a GPU for this worker; workers get the GPUs in turn, unless the settings name one."""
    if gpus == 0 or settings.device not in ("auto", "cuda"):
        return settings
    return settings.model_copy(update={"device": f"cuda:{number % gpus}"})


def fork_worker(settings: Settings, device_info: JsonObject, name: str) -> ForkedProcess:
    """Forks a worker that ends with this process."""
    # RQ remembers the names of dead workers for a while, so each fork gets a new name.
    unique_name = f"{name}-{os.getpid()}-{int(monotonic() * 1000)}"
    return fork_child("bakehouse-train", partial(serve, settings, unique_name, device_info))


def fork_task_process(settings: Settings) -> ForkedProcess:
    """Forks the task process, which ends with this process."""
    place = f"{socket.gethostname()}-tasks-{os.getpid()}"
    return fork_child("bakehouse-tasks", partial(serve_tasks, settings, place))


def fork_predictor(settings: Settings) -> ForkedProcess:
    """Forks the predictor, which ends with this process."""
    return fork_child("bakehouse-pred", partial(serve_predictions, settings))


def fork_child(name: str, serve_jobs: Callable[[], None]) -> ForkedProcess:
    """Forks a process that ends with this one. `top` shows the name, of which the kernel keeps 15 characters."""
    parent = os.getpid()

    def run() -> None:
        name_this_process(name)
        # Ctrl-C in the terminal must not reach the child: this process asks it to end.
        os.setsid()
        # The child inherits handlers that only set this process's event.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        # SIGTERM and not SIGKILL, so that a worker's child can still save its run.
        die_with_parent(parent, signal.SIGTERM)
        serve_jobs()

    return ForkedProcess(run)


def main() -> int:
    """Runs the workers and the task process until SIGTERM or SIGINT; then waits for them to save their runs and end.
    Returns the exit code."""
    settings = Settings()
    warm_up()
    device_info = inspect_device(settings)
    if "refusal" in device_info:
        print(device_info["refusal"], file=sys.stderr)
        return REFUSED
    gpus = device_info.pop("gpus")
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    signal.signal(signal.SIGINT, lambda *_: ending.set())
    names = [f"{socket.gethostname()}-{number}" for number in range(1, settings.worker_count + 1)]
    workers = [
        RestartingProcess(
            f"worker {name}", partial(fork_worker, assign_device(settings, number, gpus), device_info, name)
        )
        for number, name in enumerate(names)
    ]
    children = [
        *workers,
        RestartingProcess("the task process", partial(fork_task_process, settings)),
        RestartingProcess("the predictor", partial(fork_predictor, settings)),
    ]
    while not ending.is_set():
        for child in children:
            child.keep_running()
        ending.wait(POLL_SECONDS)
    end_all(children, grace=GRACE_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
