"""Triton kernels of DIME's denoising chain: all N steps of a tile of rows in one program, and their derivative.

A program owns `BM` rows of one seed and loops over the steps. No layer of the published score network fits in shared
memory in float32 (3 x 256: 256 kB each), so each product streams its weights from L2 through a pipelined loop over
`BK` of their rows at a time, every weight once per step. What a layer hands to the next goes through a scratch buffer
in global memory that stays in L2, for a loop can only read tiles from memory. Only the program that wrote a row reads
it again, after a barrier of its own threads.

Weights are packed (`calls`): zeros pad every hidden width to HP, the actions to BA. Padded columns of x and of
hidden layers are then zero by themselves, and rows are all that is masked.
"""

from __future__ import annotations

import triton
import triton.language as tl

CLIP = tl.constexpr(1e4)  # diffusion.SCORE_CLIP
GELU_LINEAR = tl.constexpr(0.7978845608028654)  # sqrt(2 / pi)
GELU_CUBIC = tl.constexpr(0.044715)


@triton.jit
def operand(x, PRECISION: tl.constexpr):
    """x as a product takes it: rounded to bfloat16, or to the nearest TF32 (the hardware alone would truncate)."""
    if PRECISION == "bf16":
        rounded = x.to(tl.bfloat16)
    elif PRECISION == "tf32":
        bits = (x.to(tl.int32, bitcast=True) + 0x1000) & -0x2000
        rounded = tl.where(x == x, bits.to(tl.float32, bitcast=True), x)  # a NaN stays one
    else:
        rounded = x
    return rounded


@triton.jit
def half_gelu(x):
    """s with gelu(x) = x s, in GELU's tanh approximation: (1 + tanh(u)) / 2 is the logistic function of 2u."""
    return 1.0 / (1.0 + tl.exp((x + x * x * x * GELU_CUBIC) * (-2.0 * GELU_LINEAR)))


@triton.jit
def gelu_slope(x, s):
    """The derivative of x s(x), from s = half_gelu(x)."""
    return s + x * s * (1.0 - s) * (1.0 + x * x * (3.0 * GELU_CUBIC)) * (2.0 * GELU_LINEAR)


@triton.jit
def clip(f):
    """f between -CLIP and CLIP; a NaN stays one."""
    return tl.where(f > CLIP, CLIP, tl.where(f < -CLIP, -CLIP, f))


@triton.jit
def product(
    start, weights, rows, live, K: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """start [BN, BM] plus weights [BN, K] times the transpose of rows [BM, K], both in memory without gaps.

    That way round the tensor cores of an H100 read both from shared memory: they want 64 of the first side, are
    content with 16 rows as the second, and in TF32 take nothing but what runs along K on either side.
    """
    k = tl.arange(0, BK)
    w = weights + tl.arange(0, BN)[:, None] * K + k[None, :]
    x = rows + tl.arange(0, BM)[None, :] * K + k[:, None]
    out = start
    for _ in range(0, K, BK):
        tile = tl.load(x, mask=live[None, :], other=0.0)
        if PRECISION == "tf32":
            out = tl.dot(tl.load(w), tile, out, input_precision="tf32")
        else:
            out = tl.dot(tl.load(w), tile, out, input_precision="ieee")
        w += BK
        x += BK
    return out


@triton.jit
def pack_kernel(
    source, target, from_seed, from_row, from_column, to_seed, ROWS, COLUMNS,
    HIGH: tl.constexpr, WIDE: tl.constexpr, BLOCK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Weights [ROWS, COLUMNS] of any strides as [HIGH, WIDE] in a row, zeros around them, as products take them."""
    seed = tl.program_id(0).to(tl.int64)
    i = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    row, column = i // WIDE, i % WIDE
    inside = (row < ROWS) & (column < COLUMNS)
    value = tl.load(source + seed * from_seed + row * from_row + column * from_column, mask=inside, other=0.0)
    tl.store(target + seed * to_seed + i, operand(value.to(tl.float32), PRECISION), mask=i < HIGH * WIDE)


@triton.jit
def forward_kernel(
    x0, keep, eta, scale, noise, base, time, weights, biases, x_rows, h_rows, path, log_w, B,
    N: tl.constexpr, A: tl.constexpr, H1: tl.constexpr, LAYERS: tl.constexpr, HP: tl.constexpr, BA: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PATH: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """x_0 [S, B, A] to the whole path [S, N + 1, B, A], or to x_N in `path` [S, B, A] and its log ratio [S, B].

    For the path `noise` is what it adds; otherwise it is standard normal and `scale` [S, N, A] multiplies it.
    Scratch: x_rows [S, B, BA], h_rows [2, S, B, HP].
    """
    seed = tl.program_id(0).to(tl.int64)
    first = tl.program_id(1) * BM
    row = first + tl.arange(0, BM)
    live = row < B
    col, hid = tl.arange(0, BA), tl.arange(0, BN)
    of_a = col < A
    cell = row[None, :] * A + col[:, None]
    inside = live[None, :] & of_a[:, None]
    weights += seed * (2 * BA * HP + (LAYERS - 1) * HP * HP)
    biases += seed * ((LAYERS - 1) * HP + BA)
    w_out = weights + BA * HP + (LAYERS - 1) * HP * HP
    x_rows += (seed * B + first) * BA
    h_rows += (seed * B + first) * HP
    base += (seed * B + row)[None, :] * H1
    other = tl.num_programs(0).to(tl.int64) * B * HP  # from one half of h_rows to the other
    at_row = tl.arange(0, BM)[None, :] * HP + hid[:, None]
    at_x = x_rows + tl.arange(0, BM)[None, :] * BA + col[:, None]
    out_bias = tl.load(biases + (LAYERS - 1) * HP + col)

    x = tl.load(x0 + seed * B * A + cell, mask=inside, other=0.0)
    ratio = tl.zeros([BM], tl.float32)
    if PATH:
        tl.store(path + seed * (N + 1) * B * A + cell, x, mask=inside)
    for n in range(N):
        at = (seed * N + n) * A + col
        kept, size = tl.load(keep + at, mask=of_a, other=0.0), tl.load(eta + at, mask=of_a, other=0.0)
        drawn = tl.load(noise + (seed * N + n) * B * A + cell, mask=inside, other=0.0)
        tl.store(at_x, operand(x, PRECISION), mask=live[None, :])
        tl.debug_barrier()
        for c in range(0, HP, BN):
            wide = (c + hid < H1)[:, None]
            z = tl.load(base + (c + hid)[:, None], mask=live[None, :] & wide, other=0.0)
            z += tl.load(time + (seed * N + n) * H1 + (c + hid)[:, None], mask=wide, other=0.0)
            z = product(z, weights + c * BA, x_rows, live, BA, BM, BN, BK, PRECISION)
            tl.store(h_rows + at_row + c, operand(z * half_gelu(z), PRECISION), mask=live[None, :])
        tl.debug_barrier()
        for layer in range(LAYERS - 1):
            source, target = h_rows + (layer % 2) * other, h_rows + ((layer + 1) % 2) * other
            for c in range(0, HP, BN):
                z = tl.zeros([BN, BM], tl.float32) + tl.load(biases + layer * HP + c + hid)[:, None]
                w = weights + BA * HP + (layer * HP + c) * HP
                z = product(z, w, source, live, HP, BM, BN, BK, PRECISION)
                tl.store(target + at_row + c, operand(z * half_gelu(z), PRECISION), mask=live[None, :])
            tl.debug_barrier()
        f = tl.zeros([BA, BM], tl.float32) + out_bias[:, None]
        last = h_rows + ((LAYERS - 1) % 2) * other
        f = clip(product(f, w_out, last, live, HP, BM, BA, BK, PRECISION))
        if PATH:
            x = kept[:, None] * x + drawn + size[:, None] * f
            tl.store(path + (seed * (N + 1) + n + 1) * B * A + cell, x, mask=inside)
        else:
            by = tl.load(scale + at, mask=of_a, other=1.0)[:, None]
            y = kept[:, None] * x + by * drawn + size[:, None] * f
            residual = (x - kept[:, None] * y) / by
            ratio += 0.5 * tl.sum(drawn * drawn - residual * residual, 0)
            x = y
    if not PATH:
        tl.store(path + seed * B * A + cell, x, mask=inside)
        tl.store(log_w + seed * B + row, ratio, mask=live)


@triton.jit
def backward_kernel(
    grad_path, path, keep, eta, base, time, weights, biases, turned, x_rows, slope, g_out, x0_out, f_out, d_out, h, d,
    B, N: tl.constexpr, A: tl.constexpr, H1: tl.constexpr, LAYERS: tl.constexpr, HP: tl.constexpr, BA: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradient of a path, last step first; each step's network is computed again from the path.

    `turned` are the packed weights of the way back: the last layer first, each transposed. Results: the gradient of
    x_{n+1} in g_out [S, N, B, A] and of x_0 in x0_out [S, B, A], the scores in f_out [S, N, B, A]. For the weights'
    gradients, as products take them: that of the scores in d_out [S, N, B, BA], the hidden activations in h and the
    gradients of what goes into them in d [LAYERS, S, N, B, HP]. Scratch: x_rows [S, B, BA], slope [LAYERS, S, B, HP].
    """
    seed, seeds = tl.program_id(0).to(tl.int64), tl.num_programs(0).to(tl.int64)
    first = tl.program_id(1) * BM
    row = first + tl.arange(0, BM)
    live = row < B
    col, hid = tl.arange(0, BA), tl.arange(0, BN)
    of_a = col < A
    cell = row[None, :] * A + col[:, None]
    inside = live[None, :] & of_a[:, None]
    weights += seed * (2 * BA * HP + (LAYERS - 1) * HP * HP)
    turned += seed * (2 * BA * HP + (LAYERS - 1) * HP * HP)
    biases += seed * ((LAYERS - 1) * HP + BA)
    last = BA * HP + (LAYERS - 1) * HP * HP  # where the last layer's weights begin, either way
    x_rows += (seed * B + first) * BA
    slope += (seed * B + first) * HP
    base += (seed * B + row)[None, :] * H1
    at_row = tl.arange(0, BM)[None, :] * HP + hid[:, None]
    at_a = tl.arange(0, BM)[None, :] * BA + col[:, None]
    slopes, layers = seeds * B * HP, seeds * N * B * HP  # from one layer to the next
    out_bias = tl.load(biases + (LAYERS - 1) * HP + col)

    g = tl.load(grad_path + (seed * (N + 1) + N) * B * A + cell, mask=inside, other=0.0)
    for back in range(N):
        n = N - 1 - back
        at = (seed * N + n) * A + col
        kept, size = tl.load(keep + at, mask=of_a, other=0.0), tl.load(eta + at, mask=of_a, other=0.0)
        here = (seed * (N + 1) + n) * B * A + cell
        before = tl.load(grad_path + here, mask=inside, other=0.0)
        x = tl.load(path + here, mask=inside, other=0.0)
        of_step = (seed * N + n) * B
        tl.store(g_out + of_step * A + cell, g, mask=inside)
        h_rows, d_rows = h + (of_step + first) * HP, d + (of_step + first) * HP
        d_last = d_out + (of_step + first) * BA
        tl.store(x_rows + at_a, operand(x, PRECISION), mask=live[None, :])
        tl.debug_barrier()
        for c in range(0, HP, BN):
            wide = (c + hid < H1)[:, None]
            z = tl.load(base + (c + hid)[:, None], mask=live[None, :] & wide, other=0.0)
            z += tl.load(time + (seed * N + n) * H1 + (c + hid)[:, None], mask=wide, other=0.0)
            z = product(z, weights + c * BA, x_rows, live, BA, BM, BN, BK, PRECISION)
            s = half_gelu(z)
            tl.store(h_rows + at_row + c, operand(z * s, PRECISION), mask=live[None, :])
            tl.store(slope + at_row + c, gelu_slope(z, s), mask=live[None, :])
        tl.debug_barrier()
        for layer in range(1, LAYERS):
            for c in range(0, HP, BN):
                z = tl.zeros([BN, BM], tl.float32) + tl.load(biases + (layer - 1) * HP + c + hid)[:, None]
                w = weights + BA * HP + ((layer - 1) * HP + c) * HP
                z = product(z, w, h_rows + (layer - 1) * layers, live, HP, BM, BN, BK, PRECISION)
                s = half_gelu(z)
                tl.store(h_rows + layer * layers + at_row + c, operand(z * s, PRECISION), mask=live[None, :])
                tl.store(slope + layer * slopes + at_row + c, gelu_slope(z, s), mask=live[None, :])
            tl.debug_barrier()
        f = tl.zeros([BA, BM], tl.float32) + out_bias[:, None]
        f = product(f, weights + last, h_rows + (LAYERS - 1) * layers, live, HP, BM, BA, BK, PRECISION)
        tl.store(f_out + of_step * A + cell, clip(f), mask=inside)
        of_score = tl.where((f >= -CLIP) & (f <= CLIP), size[:, None] * g, 0.0)
        tl.store(d_last + at_a, operand(of_score, PRECISION), mask=live[None, :])
        tl.debug_barrier()
        for c in range(0, HP, BN):
            grad = tl.zeros([BN, BM], tl.float32)
            grad = product(grad, turned + c * BA, d_last, live, BA, BM, BN, BK, PRECISION)
            grad *= tl.load(slope + (LAYERS - 1) * slopes + at_row + c, mask=live[None, :], other=0.0)
            tl.store(d_rows + (LAYERS - 1) * layers + at_row + c, operand(grad, PRECISION), mask=live[None, :])
        tl.debug_barrier()
        for down in range(1, LAYERS):
            layer = LAYERS - 1 - down
            for c in range(0, HP, BN):
                grad = tl.zeros([BN, BM], tl.float32)
                w = turned + BA * HP + ((down - 1) * HP + c) * HP
                grad = product(grad, w, d_rows + (layer + 1) * layers, live, HP, BM, BN, BK, PRECISION)
                grad *= tl.load(slope + layer * slopes + at_row + c, mask=live[None, :], other=0.0)
                tl.store(d_rows + layer * layers + at_row + c, operand(grad, PRECISION), mask=live[None, :])
            tl.debug_barrier()
        g = kept[:, None] * g + before
        g = product(g, turned + last, d_rows, live, HP, BM, BA, BK, PRECISION)
    tl.store(x0_out + seed * B * A + cell, g, mask=inside)
