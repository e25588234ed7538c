"""Opens the device of a training process for deterministic computation, and describes it."""

import ctypes
import os
import platform
import re
import resource
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bakehouse.settings import Settings

# Values in bytes of M_MMAP_THRESHOLD, M_TRIM_THRESHOLD and M_TOP_PAD (malloc.h).
MALLOC_OPTIONS = ((-3, 1 << 30), (-1, (1 << 31) - 1), (-2, 64 << 20))

NONDETERMINISTIC = re.compile(r"(\S+) does not have a deterministic implementation")


def open_device(settings: Settings) -> torch.device:
    """Opens the device that the settings name. Must be called once, in the process that trains.

    Equal seeds then give bit-identical results: kernels are deterministic, cuBLAS workspaces are fixed, and TF32 and
    benchmarking are off. Where torch has no deterministic kernel it warns; `nondeterministic_operations` collects that.
    """
    name = settings.device
    torch.set_num_threads(threads(settings))
    has_gpu = name != "cpu" and torch.cuda.is_available()
    device = torch.device(name if name != "auto" else "cuda" if has_gpu else "cpu")
    if device.type == "cuda":
        device = torch.device("cuda", device.index or 0)
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.use_deterministic_algorithms(True, warn_only=True)
        # No kernel of ours reads memory before it is written, so filling it would only cost time.
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    else:
        keep_buffers()
        # With this limit, an allocation beyond it raises an error; otherwise the kernel would kill the process.
        limit = memory_limit(settings)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    return device


@contextmanager
def nondeterministic_operations() -> Iterator[set[str]]:
    """Yields a set that gets the name of each operation in the block for which torch warns that its results differ from
    run to run."""
    names: set[str] = set()
    with warnings.catch_warnings():
        warnings.filterwarnings("always", message=NONDETERMINISTIC.pattern)
        show = warnings.showwarning

        def collect(message: Warning | str, *details: Any) -> None:
            found = NONDETERMINISTIC.match(str(message))
            if found is None:
                show(message, *details)
            else:
                names.add(found[1])

        warnings.showwarning = collect  # type: ignore[assignment]
        yield names


def keep_buffers() -> None:
    """Tells glibc to keep large buffers instead of returning them to the kernel and faulting them in at every step.

    A small CNN then trains 1.15 times as many samples per second. Other C libraries lack `mallopt` and do not need it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in MALLOC_OPTIONS:
            mallopt(option, value)


def threads(settings: Settings) -> int:
    """Returns the number of torch threads, by default 1: on two cores, two processes with two threads each train 5.6
    times slower than with one thread each."""
    return settings.threads or 1


def device_memory(device: torch.device, settings: Settings) -> int:
    """Returns the bytes of memory that a run on this device can use."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return memory_limit(settings)


def device_class(device: torch.device) -> str:
    """Returns a GPU's name, or a CPU's model and instruction set. Bit-identical results need the same class."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()} {torch.backends.cpu.get_cpu_capability()}"


def processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def versions(device: torch.device) -> dict[str, str]:
    """Returns the versions of all software that determines a run's exact results."""
    installed = {
        "bakehouse": bakehouse_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        installed |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}  # type: ignore[no-untyped-call]
    return installed


# A file of the installed package is read for this, in the parent of the workers and not in each child.
@cache
def bakehouse_version() -> str:
    return version("bakehouse")


def peak_memory(device: torch.device) -> int:
    """Returns the peak bytes of the GPU's allocator, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_limit(settings: Settings) -> int:
    """Returns the bytes that a training process may use: the setting, or all memory of the machine or its container."""
    if settings.memory_bytes is not None:
        return settings.memory_bytes
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cgroup = Path("/sys/fs/cgroup/memory.max")
    allowed = cgroup.read_text(encoding="ascii").strip() if cgroup.exists() else "max"
    return physical if allowed == "max" else min(physical, int(allowed))
