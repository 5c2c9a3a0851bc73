"""DIME's chain on a GPU as one kernel launch: what `kernels` needs, and its results as tensors.

Nothing here is differentiable by itself: `fused` has what makes an autograd function of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dimebench.agents.parts.chain import kernels
from dimebench.agents.parts.chain.stepwise import Begun, PathGradient

MOST_ACTIONS = 256  # a state's columns are one tile
MOST_COLUMNS = 256  # of a hidden layer in one tile; wider layers are done in parts
ALIGNED = 16  # bytes
PACK = 1024  # elements of weights that one program packs


def unserved(actions: int, capability: tuple[int, int]) -> str:
    """Why the kernels do not serve so many action dimensions or a GPU of this compute capability; "" if they do."""
    if capability < (8, 0):
        return f"a GPU of compute capability 8.0 or later is needed, not {capability[0]}.{capability[1]}"
    if actions > MOST_ACTIONS:
        return f"actions have at most {MOST_ACTIONS} dimensions, not {actions}"
    return ""


@dataclass(frozen=True)
class Shape:
    """The sizes of a chain: padded widths are powers of two up to MOST_COLUMNS, and multiples of that above."""

    seeds: int
    rows: int
    steps: int
    actions: int
    width: int  # of the first hidden layer, as it is
    layers: int  # hidden ones
    padded: int  # HP: every hidden layer's width
    padded_actions: int  # BA

    @classmethod
    def of(cls, x0: Tensor, steps: int, dense: Sequence[Tensor]) -> Shape:
        """x0 [S, B, A] and `dense` as `ScoreNetwork.dense` returns it."""
        hidden = [weight.shape[-1] for weight in weights_of(dense)[:-1]]
        seeds, rows, actions = x0.shape
        return cls(seeds, rows, steps, actions, hidden[0], len(hidden), _padded(max(hidden)), _power_of_two(actions))

    @property
    def weights(self) -> int:
        """Elements of one seed's packed weights."""
        return 2 * self.padded_actions * self.padded + (self.layers - 1) * self.padded**2


class Launch(NamedTuple):
    """How a kernel is launched for a shape: grid, tile sizes, warps, and the stages of its weights' pipeline."""

    grid: tuple[int, int]
    constants: dict[str, Any]
    options: dict[str, int]


def launch(shape: Shape, precision: str, processors: int = 132, shared: int = 232_448) -> Launch:
    """For a GPU of so many multiprocessors and so many bytes of shared memory in one block.

    The fewest rows per program that products allow, 16, until there are more programs than multiprocessors: each
    program then reads all weights at the full rate of one multiprocessor, and a second wave would double the time.
    """
    tile = next((t for t in (16, 32) if shape.seeds * -(-shape.rows // t) <= processors), 64)
    columns = min(shape.padded, MOST_COLUMNS)
    deep = min(64 if precision == "bf16" else 32, shape.padded_actions, shape.padded)
    stage = (columns + tile) * deep * (2 if precision == "bf16" else 4)
    stages = max(2, min(4, shared // stage - 1))
    constants = {
        "N": shape.steps, "A": shape.actions, "H1": shape.width, "LAYERS": shape.layers, "HP": shape.padded,
        "BA": shape.padded_actions, "BM": tile, "BN": columns, "BK": deep, "PRECISION": precision,
    }  # fmt: skip
    grid = (shape.seeds, -(-shape.rows // tile))
    return Launch(grid, constants, {"num_warps": 8 if columns > 64 else 4, "num_stages": stages})


def forward_path(begun: Begun, dense: Sequence[Tensor], precision: str) -> Tensor:
    """The path x_0 .. x_N [S, N + 1, B, A]; `dense` as `ScoreNetwork.dense` returns it."""
    seeds, rows, actions = begun.x.shape
    path = begun.x.new_empty(seeds, begun.eta.shape[1] + 1, rows, actions)
    _forward(begun, begun.eta, begun.noise, dense, precision, path)
    return path


def sample_no_grad(
    begun: Begun, scale: Tensor, eps: Tensor, dense: Sequence[Tensor], precision: str
) -> tuple[Tensor, Tensor]:
    """x_N [S, B, A] and the log ratio [S, B] of the path that eps [S, N, B, A] gives, the path itself kept nowhere.

    scale [S, N, 1, A]: `begun.noise` is not read, so that it need not be there at any time.
    """
    x, log_w = torch.empty_like(begun.x, memory_format=torch.contiguous_format), begun.x.new_empty(begun.x.shape[:2])
    _forward(begun, scale, eps, dense, precision, x, log_w)
    return x, log_w


def _forward(
    begun: Begun, scale: Tensor, noise: Tensor, dense: Sequence[Tensor], precision: str, *into: Tensor
) -> None:
    """Into the whole path or, where there are two results, into x_N and its log ratio."""
    shape, device = Shape.of(begun.x, begun.eta.shape[1], dense), begun.x.device
    how = _launch(shape, precision, device)
    by_step = (each.squeeze(2) for each in (begun.keep, begun.eta, scale))
    given = [_ready(tensor) for tensor in (begun.x, *by_step, noise, begun.base, begun.time)]
    dtype = operand_type(precision)
    x_rows = torch.empty(shape.seeds, shape.rows, shape.padded_actions, dtype=dtype, device=device)
    h_rows = torch.empty(2, shape.seeds, shape.rows, shape.padded, dtype=dtype, device=device)
    packed = pack_weights(weights_of(dense), shape, precision), pack_biases(dense, shape)
    kernels.forward_kernel[how.grid](
        *given, *packed, x_rows, h_rows, into[0], into[-1], shape.rows,
        PATH=len(into) == 1, **how.constants, **how.options,
    )  # fmt: skip


def backward_path(
    of_path: Tensor, path: Tensor, begun: Begun, dense: Sequence[Tensor], precision: str
) -> PathGradient:
    """From the gradient of every state of the path [S, N + 1, B, A]."""
    shape = Shape.of(begun.x, begun.eta.shape[1], dense)
    how = _launch(shape, precision, path.device)
    dtype, device = operand_type(precision), path.device
    steps = (shape.seeds, shape.steps, shape.rows)
    by_step = begun.keep.squeeze(2), begun.eta.squeeze(2)
    given = [_ready(tensor) for tensor in (of_path, path, *by_step, begun.base, begun.time)]
    packed = pack_weights(weights_of(dense), shape, precision), pack_biases(dense, shape)
    turned = pack_weights([weight.mT for weight in weights_of(dense)[::-1]], shape, precision)
    x_rows = torch.empty(shape.seeds, shape.rows, shape.padded_actions, dtype=dtype, device=device)
    slope = torch.empty(shape.layers, shape.seeds, shape.rows, shape.padded, device=device)
    noise, scores = (torch.empty(*steps, shape.actions, device=device) for _ in range(2))
    x0 = torch.empty(shape.seeds, shape.rows, shape.actions, device=device)
    outer = torch.empty(*steps, shape.padded_actions, dtype=dtype, device=device)
    hidden, inner = (torch.empty(shape.layers, *steps, shape.padded, dtype=dtype, device=device) for _ in range(2))
    kernels.backward_kernel[how.grid](
        *given, *packed, turned, x_rows, slope, noise, x0, scores, outer, hidden, inner, shape.rows,
        **how.constants, **how.options,
    )  # fmt: skip

    def cut(layers: Tensor) -> list[Tensor]:
        return [rows[..., : weight.shape[-1]] for rows, weight in zip(layers, weights_of(dense), strict=False)]

    inputs = [path[:, :-1], *cut(hidden)]
    return PathGradient(x0, noise, scores, inputs, [*cut(inner), outer[..., : shape.actions]])


def operand_type(precision: str) -> torch.dtype:
    """What products take at this precision; TF32 numbers are kept as float32."""
    return torch.bfloat16 if precision == "bf16" else torch.float32


def pack_weights(layers: Sequence[Tensor], shape: Shape, precision: str) -> Tensor:
    """The layers' weights [S, I, O] as kernels read them, [S, P]: each turned and padded, one after another."""
    packed = torch.empty(shape.seeds, shape.weights, dtype=operand_type(precision), device=layers[0].device)
    offset = 0
    for i, layer in enumerate(layers):
        into = shape.padded if i else shape.padded_actions
        out = shape.padded if i < shape.layers else shape.padded_actions
        turned, size = layer.mT, out * into
        kernels.pack_kernel[(shape.seeds, -(-size // PACK))](
            turned, packed[:, offset:], *turned.stride(), shape.weights, *turned.shape[1:], out, into, PACK, precision
        )
        offset += size
    return packed


def pack_biases(dense: Sequence[Tensor], shape: Shape) -> Tensor:
    """The biases of all layers but the first, [S, P] in float32, each padded."""
    sizes = [shape.padded] * (shape.layers - 1) + [shape.padded_actions]
    flat = [bias.float().flatten(1) for bias in dense[2::2]]
    return torch.cat([F.pad(b, (0, size - b.shape[1])) for b, size in zip(flat, sizes, strict=True)], 1)


def weights_of(dense: Sequence[Tensor]) -> list[Tensor]:
    """The weights of all layers, first to last."""
    return [dense[0], *dense[1::2]]


def _ready(tensor: Tensor) -> Tensor:
    """Without gaps, and beginning at 16 bytes: elsewhere Triton would compile anew, maybe in a capture."""
    tensor = tensor.contiguous()
    return tensor if tensor.data_ptr() % ALIGNED == 0 else tensor.clone()


def _power_of_two(width: int) -> int:
    """The next one, and at least 16, the fewest columns that products allow."""
    return max(16, 1 << (width - 1).bit_length())


def _padded(width: int) -> int:
    return _power_of_two(width) if width <= MOST_COLUMNS else -(-width // MOST_COLUMNS) * MOST_COLUMNS


def _launch(shape: Shape, precision: str, device: torch.device) -> Launch:
    return launch(shape, precision, *_limits(device)) if device.type == "cuda" else launch(shape, precision)


@cache
def _limits(device: torch.device) -> tuple[int, int]:
    """A GPU's multiprocessors, and the bytes of shared memory that a block of threads may have."""
    properties: Any = torch.cuda.get_device_properties(device)
    return properties.multi_processor_count, properties.shared_memory_per_block_optin
