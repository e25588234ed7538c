"""Finds operations for which the CPU would have to wait for a GPU. It needs no GPU: it looks at the calls."""

import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

READING = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "is_nonzero",
    "equal",
    "_unique2",
    "unique_dim",
    "bincount",
}
"""Operations whose result, or its size, the CPU reads from the device."""
INDEXING = {"index", "index_put", "index_put_"}
"""Operations that read the device if an index is a mask, because the number of chosen elements is unknown."""
COPYING = {torch.tensor, torch.as_tensor, torch.from_numpy}
"""Functions that copy numbers from the CPU's memory."""


class ReadsOfDevice(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Collects the operations that read from the device, with the lines that call them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: set[str] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        is_masked = name in INDEXING and any(index is not None and index.dtype == torch.bool for index in args[1])
        if name in READING or is_masked:
            self.found.add(f"{name} at {calling_line()}")
        return func(*args, **(kwargs or {}))


class CopiesToDevice(TorchFunctionMode):
    """Collects the functions that copy to the device, with the lines that call them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # torch's optimizers name the CPU for numbers that they keep there.
        if func in COPYING and (kwargs or {}).get("device") != "cpu":
            self.found.add(f"{func.__name__} at {calling_line()}")
        return func(*args, **(kwargs or {}))


def calling_line() -> str:
    """Returns the innermost line of the product that is being executed."""
    frames = [
        frame for frame in traceback.extract_stack() if "/worker/" in frame.filename and "tests" not in frame.filename
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown line"
