"""The device of a training process, made deterministic, and what is known of it."""

import ctypes
import os
import platform
import resource
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from bakehouse.settings import Settings

# M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_TOP_PAD of malloc.h, in bytes.
MALLOC_OPTIONS = ((-3, 1 << 30), (-1, (1 << 31) - 1), (-2, 64 << 20))


def open_device(settings: Settings) -> torch.device:
    """`auto` is a GPU where there is one. Call it once, in the process that trains.

    Equal seeds give equal bits: deterministic kernels, fixed cuBLAS workspaces, no TF32, no benchmarking.
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
        torch.use_deterministic_algorithms(True)
    else:
        keep_buffers()
        # An allocation beyond it fails with an error that names itself, instead of the kernel's SIGKILL.
        limit = memory_limit(settings)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    return device


def keep_buffers() -> None:
    """glibc gives large buffers back and faults them in again at every step: keeping them gives a small CNN 1.15
    times the samples a second. Other C libraries have no such call and no such habit."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in MALLOC_OPTIONS:
            mallopt(option, value)


def threads(settings: Settings) -> int:
    """One, unless set: two processes with two threads each on two cores train 5.6 times less than with one."""
    return settings.threads or 1


def device_memory(device: torch.device, settings: Settings) -> int:
    """Bytes that a run on this device can have."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return memory_limit(settings)


def device_class(device: torch.device) -> str:
    """What must be the same for the same bits: a GPU's name, or a processor's model and instruction set."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor()} {torch.backends.cpu.get_cpu_capability()}"


def processor() -> str:
    """The processor's model, as the kernel names it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def versions(device: torch.device) -> dict[str, str]:
    """Of all that decides a run's bits."""
    found = {
        "bakehouse": version("bakehouse"),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        found |= {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}  # type: ignore[no-untyped-call]
    return found


def peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU's allocator, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory_limit(settings: Settings) -> int:
    """Bytes that a training process may use: the setting, or all of the machine's (of the container's)."""
    if settings.memory_bytes is not None:
        return settings.memory_bytes
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    cgroup = Path("/sys/fs/cgroup/memory.max")
    allowed = cgroup.read_text(encoding="ascii").strip() if cgroup.exists() else "max"
    return physical if allowed == "max" else min(physical, int(allowed))
