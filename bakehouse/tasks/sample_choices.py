"""What a request for samples may ask for. The commands read it at their start, so that it imports nothing slow."""

from typing import Literal

MAX_ROWS = 64
Split = Literal["train", "validation", "test"]
