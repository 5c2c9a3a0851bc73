"""From numpy to the learner's device without waiting for it: through pinned memory, a few buffers in turn."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

BUFFERS = 3  # copies that may be under way at once


class Staging:
    """Sends arrays of one shape and type. On a CPU it copies, so that the caller's array stays the caller's."""

    def __init__(self, shape: tuple[int, ...], device: torch.device, dtype: torch.dtype = torch.float32) -> None:
        self.device = device
        self._on_gpu = device.type == "cuda"
        count = BUFFERS if self._on_gpu else 1
        self._buffers = [torch.empty(shape, dtype=dtype, pin_memory=self._on_gpu) for _ in range(count)]
        self._sent: list[torch.cuda.Event | None] = [None] * len(self._buffers)
        self._next = 0

    def buffer(self) -> Tensor:
        """A host tensor to fill before `send`; on a GPU its last copy is waited for."""
        event = self._sent[self._next]
        if event is not None:
            event.synchronize()
        return self._buffers[self._next]

    def send(self, values: np.ndarray | None = None) -> Tensor:
        """`values`, or what was written into `buffer`, on the device: the copy may still be under way."""
        buffer = self.buffer() if values is not None else self._buffers[self._next]
        if values is not None:
            buffer.numpy()[...] = values
        if not self._on_gpu:
            return buffer.clone()
        sent = buffer.to(self.device, non_blocking=True)
        event = self._sent[self._next] = torch.cuda.Event()
        event.record()
        self._next = (self._next + 1) % len(self._buffers)
        return sent


class Fetching:
    """The way back: asked for now, waited for later."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._buffer = torch.empty(shape, pin_memory=self._on_gpu)
        self._event = torch.cuda.Event() if self._on_gpu else None

    def ask(self, values: Tensor) -> None:
        self._buffer.copy_(values, non_blocking=True)
        if self._event is not None:
            self._event.record()

    def wait(self) -> np.ndarray:
        """What was asked for, in an array of the caller's own. On a GPU later work is not waited for."""
        if self._event is not None:
            self._event.synchronize()
        return self._buffer.numpy().copy()
