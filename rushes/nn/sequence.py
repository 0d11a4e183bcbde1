"""Sequence parallelism: several processes share the tokens of each film inside a transformer's blocks.

Every process enters the first block with all tokens, keeps its own through the blocks and gets all of them back after
the last; in between, only attention needs the others' tokens. It reaches for them where a block calls torch's
attention, so blocks need no code for it. Every process's gradients count in full after the last block and in part
before, so that their mean over the processes is right for both.

b batch, n tokens here, p processes, k heads, e head width, m extra keys (a prompt's, the same on every process)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from rushes.errors import InputError

Group = dist.ProcessGroup


class _Keep(Function):
    """All tokens `[b p*n d]` -> those of this process `[b n d]`; backward: nothing for the others' tokens."""

    @staticmethod
    def forward(context: Any, x: Tensor, group: Group) -> Tensor:
        context.group = group
        return x.chunk(group.size(), dim=1)[group.rank()].clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        b, n, d = gradient.shape
        whole = gradient.new_zeros(b, context.group.size(), n, d)
        whole[:, context.group.rank()] = gradient
        return whole.flatten(1, 2), None


class _Join(Function):
    """Tokens of this process `[b n d]` -> all tokens `[b p*n d]`; backward: its own, p times, for what follows is
    computed on each process and gradients are averaged."""

    @staticmethod
    def forward(context: Any, x: Tensor, group: Group) -> Tensor:
        context.group = group
        parts = [torch.empty_like(x) for _ in range(group.size())]
        dist.all_gather(parts, x.contiguous(), group=group)
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        size = context.group.size()
        return gradient.chunk(size, dim=1)[context.group.rank()] * size, None


class _Swap(Function):
    """Exchange parts: what this process has for the others `[p ...]` for what they have for it `[p ...]`."""

    @staticmethod
    def forward(context: Any, sent: Tensor, group: Group) -> Tensor:
        context.group = group
        got = torch.empty_like(sent, memory_format=torch.contiguous_format)
        dist.all_to_all_single(got, sent.contiguous(), group=group)
        return got

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _Swap.apply(gradient, context.group), None


def ulysses(q: Tensor, k: Tensor, v: Tensor, extra: tuple[Tensor, Tensor], apart: int, group: Group) -> Tensor:
    """Attention of the tokens here to all tokens: all tokens, some heads, and back. `q`, `k`, `v [b k n e]`.

    All tokens attend in `apart` equal groups; each reads the `extra` keys and values `[b k m e]` too.
    Source: DeepSpeed Ulysses (arXiv 2309.14509).
    """
    b, heads, n, e = q.shape
    size, rank = group.size(), group.rank()
    some, groups = heads // size, b * apart
    sent = torch.stack((q, k, v)).unflatten(2, (size, some)).permute(2, 0, 1, 4, 3, 5)  # [p 3 b n k/p e]
    got = _Swap.apply(sent, group).permute(1, 2, 0, 3, 4, 5).reshape(3, groups, -1, some, e)
    q, k, v = got.transpose(2, 3).unbind(0)
    mine = [x[:, rank * some : (rank + 1) * some].repeat_interleave(apart, dim=0) for x in extra]
    mixed = F.scaled_dot_product_attention(q, torch.cat((k, mine[0]), dim=2), torch.cat((v, mine[1]), dim=2))
    back = mixed.transpose(1, 2).reshape(b, size, n, some, e).transpose(0, 1)
    return _Swap.apply(back, group).permute(1, 0, 3, 2, 4).reshape(b, heads, n, e)


def ring(q: Tensor, k: Tensor, v: Tensor, extra: tuple[Tensor, Tensor], group: Group) -> Tensor:
    """Attention of the tokens here to all tokens, as the others' keys and values come by. `q`, `k`, `v [b k n e]`.

    Any number of heads will do, and no process ever holds all keys.
    Source: ring attention (arXiv 2310.01889); parts are joined by their log-sum-exp (arXiv 2205.14135, section 3.1).
    """
    return _Ring.apply(q, k, v, *extra, group)


class _Ring(Function):
    @staticmethod
    def forward(
        context: Any, q: Tensor, k: Tensor, v: Tensor, extra_k: Tensor, extra_v: Tensor, group: Group
    ) -> Tensor:
        mixed, weight = _attend(q, torch.cat((k, extra_k), dim=2), torch.cat((v, extra_v), dim=2))
        passing = torch.stack((k, v))
        for _ in range(group.size() - 1):
            passing = _pass_on(passing, group)
            more, its_weight = _attend(q, *passing)
            both = torch.logaddexp(weight, its_weight)
            share = [(each - both).exp()[..., None] for each in (weight, its_weight)]
            mixed, weight = mixed * share[0] + more * share[1], both
        mixed = mixed.to(q.dtype)
        context.group = group
        context.save_for_backward(q, k, v, extra_k, extra_v, mixed, weight)
        return mixed

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, extra_k, extra_v, mixed, weight = context.saved_tensors
        group, n = context.group, k.shape[2]
        known = (gradient, q, mixed, weight)
        dq, dk, dv = _attend_backward(*known, torch.cat((k, extra_k), dim=2), torch.cat((v, extra_v), dim=2))
        extra = dk[:, :, n:], dv[:, :, n:]
        # Keys, values and the gradients gathered for them travel on together, until they are home.
        passing = torch.stack((k, v, dk[:, :, :n].to(k), dv[:, :, :n].to(v)))
        for _ in range(group.size() - 1):
            passing = _pass_on(passing, group)
            more = _attend_backward(*known, *passing[:2])
            dq = dq + more[0]
            passing[2:] += torch.stack(more[1:])
        dk, dv = _pass_on(passing[2:].contiguous(), group)
        return dq, dk, dv, *extra, None


def _pass_on(x: Tensor, group: Group) -> Tensor:
    """Give `x` to the next process and return what the one before gave."""
    got, x = torch.empty_like(x), x.contiguous()
    after, before = ((group.rank() + step) % group.size() for step in (1, -1))
    sent = dist.P2POp(dist.isend, x, group=group, group_peer=after)
    for work in dist.batch_isend_irecv([sent, dist.P2POp(dist.irecv, got, group=group, group_peer=before)]):
        work.wait()
    return got


def _attend(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return attention `[b k n e]` and the logarithm of its weights' sum `[b k n]`, both float32."""
    scores = q.float() @ k.float().mT * q.shape[-1] ** -0.5
    weight = scores.logsumexp(-1)
    return (scores - weight[..., None]).exp() @ v.float(), weight


def _attend_backward(
    gradient: Tensor, q: Tensor, mixed: Tensor, weight: Tensor, k: Tensor, v: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the gradients of queries, keys and values, for keys that are a part of those that `mixed` attends to.

    Source: FlashAttention (arXiv 2205.14135), appendix B.2: probabilities follow from the scores and their total.
    """
    scale = q.shape[-1] ** -0.5
    gradient, q, k, v = (x.float() for x in (gradient, q, k, v))
    shares = (q @ k.mT * scale - weight[..., None]).exp()
    inner = (gradient * mixed).sum(-1, keepdim=True)
    scores = shares * (gradient @ v.mT - inner) * scale
    return scores @ k, scores.mT @ q, shares.mT @ gradient


class _Elsewhere(TorchFunctionMode):
    """While a block computes: torch's attention reaches the tokens that are elsewhere."""

    def __init__(self, kind: str, group: Group) -> None:
        super().__init__()
        self.kind, self.group, self.apart = kind, group, 1

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is not F.scaled_dot_product_attention:
            return function(*args, **(kwargs or {}))
        q, k, v = args
        n = q.shape[2]
        extra = (k[:, :, n:], v[:, :, n:])
        here = (q, k[:, :, :n], v[:, :, :n], extra)
        return ulysses(*here, self.apart, self.group) if self.kind == "ulysses" else ring(*here, self.group)


class _Lane:
    """What one block does before and after: take this process's tokens, and reach for the others' in between."""

    def __init__(self, elsewhere: _Elsewhere, *, is_first: bool, is_last: bool) -> None:
        self.elsewhere, self.is_first, self.is_last = elsewhere, is_first, is_last
        self.is_reaching = False

    def before(self, block: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Block(x, shared, turn, text, first, apart): cut x, if it is whole, and turn; see whether others matter."""
        x, shared, turn, text, first, apart = arguments
        group, kind = self.elsewhere.group, self.elsewhere.kind
        size = group.size()
        num = len(turn[0])
        if num % size or (kind == "ring" and apart % size and apart > 1):
            unit, count = ("frames", apart) if kind == "ring" else ("tokens", num)
            legal = max(n for n in range(1, size + 1) if count % n == 0)
            raise InputError(
                f"a film of {count} {unit} cannot be shared by {size} processes; the nearest legal number is {legal}"
            )
        turn = tuple(table.chunk(size)[group.rank()] for table in turn)
        x = _Keep.apply(x, group) if self.is_first else x
        self.is_reaching = apart == 1 or apart % size > 0
        self.elsewhere.apart = apart
        if self.is_reaching:
            self.elsewhere.__enter__()
        return x, shared, turn, text, first, 1 if self.is_reaching else apart // size

    def after(self, block: nn.Module, arguments: tuple[Any, ...], result: Any) -> Any:
        if self.is_reaching:
            self.elsewhere.__exit__(None, None, None)
            self.is_reaching = False
        if not self.is_last or result is None:
            return result
        x, values = result
        return _Join.apply(x, self.elsewhere.group), values


def require(num: int, heads: int, films: Sequence[tuple[int, int]], kind: str = "ulysses") -> None:
    """Raise InputError where `num` processes can't share films of so many (token frames, tokens in each).

    `heads` and `kind` are as in `spread`; the nearest legal number is named.
    """

    def fits(num: int, kind: str) -> bool:
        even = all(frames * cells % num == 0 for frames, cells in films)
        if kind == "ulysses":
            return even and heads % num == 0
        return even and all(frames == 1 or frames % num == 0 for frames, _ in films)

    if fits(num, kind):
        return
    legal = min((n for n in range(1, 2 * num) if fits(n, kind)), key=lambda n: (abs(n - num), n))
    shapes = " and ".join(f"{frames} x {cells}" for frames, cells in dict.fromkeys(films))
    other = "ring" if kind == "ulysses" else "ulysses"
    cure = f", or {num} with {other} attention" if fits(num, other) else ""
    said = f"{num} processes cannot share {shapes} tokens and {heads} heads by {kind} attention"
    raise InputError(f"{said}; the nearest legal number is {legal}{cure}")


def spread(blocks: nn.ModuleList, heads: int, group: Group, kind: str = "ulysses") -> list[RemovableHandle]:
    """Let the processes of `group` share the tokens that go through `blocks`, in training and in making films.

    Each gives and gets whole films, with the same arguments as the others. `kind` is ulysses (each process takes some
    of the heads) or ring (keys and values go round).

    Returns:
        What ends it again, for all blocks, when removed.

    Raises:
        InputError: the heads cannot be shared by so many.
    """
    if kind == "ulysses" and heads % group.size():
        legal = max(n for n in range(1, heads + 1) if heads % n == 0 and n <= group.size())
        problem = f"{heads} heads cannot be shared by {group.size()} processes"
        raise InputError(f"{problem}; the nearest legal number is {legal}, or let attention be a ring")
    elsewhere, hooks = _Elsewhere(kind, group), []
    for index, block in enumerate(blocks):
        lane = _Lane(elsewhere, is_first=index == 0, is_last=index == len(blocks) - 1)
        hooks.append(block.register_forward_pre_hook(lane.before))
        hooks.append(block.register_forward_hook(lane.after, always_call=True))
    return hooks
