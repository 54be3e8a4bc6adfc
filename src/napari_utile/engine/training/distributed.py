"""One run on several processes, of one machine or many, started by torchrun.

All draw the whole batch from the same random numbers, and each computes its own share of it.
The first process leads: it alone keeps the time, validates, writes and reports. The others
follow: they take a step whenever it does, and end when it ends.
"""

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from math import isnan, nan
from typing import Any, TypeVar

import psutil
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from napari_utile.engine.devices import choose_device
from napari_utile.engine.models.archives import packed, unpacked
from napari_utile.errors import UserError
from napari_utile.networks.tileable import Network

PROCESS_TIMEOUT = timedelta(days=7)
"""For which the others wait while the first validates, or is paused."""
T = TypeVar("T")


@dataclass(frozen=True)
class Group:
    """The processes of a run, as one of them sees them.

    Attributes
    ----------
    rank, size : int
        Which process this is, and how many there are.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def here(cls) -> "Group":
        """Return the group that this process has joined."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return cls()
        return cls(distributed.get_rank(), distributed.get_world_size())

    @property
    def leads(self) -> bool:
        """Whether this is the first process."""
        return self.rank == 0

    def share(self, tiles: Sequence[T]) -> list[T]:
        """Return the tiles of a batch that this process learns."""
        return list(tiles[self.rank :: self.size])

    def sum(self, value: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        value = value.detach().clone()
        if self.size > 1:
            distributed.all_reduce(value)
        return value

    def averaging(self, network: nn.Module) -> nn.Module:
        """Return a network whose gradients are averaged over the processes."""
        if self.size == 1:
            return network
        return DistributedDataParallel(network)

    def collect(self, mine: T) -> list[T]:
        """Return what each process gives, in the order of the processes.

        It is tensors and plain values, not pickled objects: whoever got into the connection
        of the processes could otherwise run code in them.
        """
        if self.size == 1:
            return [mine]
        archive = _as_tensor(packed(mine))
        sizes = [torch.zeros((), dtype=torch.int64) for _ in range(self.size)]
        distributed.all_gather(sizes, torch.tensor(len(archive)))
        room = int(max(sizes))
        theirs = [torch.zeros(room, dtype=torch.uint8) for _ in range(self.size)]
        distributed.all_gather(theirs, nn.functional.pad(archive, (0, room - len(archive))))
        return [unpacked(_as_bytes(t[:n])) for t, n in zip(theirs, sizes, strict=True)]

    def broadcast_object(self, given: Any = None) -> Any:
        """Return, in every process, what the first one gives: tensors and plain values."""
        if self.size == 1:
            return given
        archive = _as_tensor(packed(given) if self.leads else b"")
        size = torch.tensor(len(archive))
        distributed.broadcast(size, src=0)
        if not self.leads:
            archive = torch.zeros(int(size), dtype=torch.uint8)
        distributed.broadcast(archive, src=0)
        return unpacked(_as_bytes(archive))

    def lead(self, rate: float) -> None:
        """Start a step at this learning rate in the other processes."""
        if self.size > 1:
            distributed.broadcast(torch.tensor(rate, dtype=torch.float64), src=0)

    def dismiss(self) -> None:
        """End the other processes."""
        with suppress(RuntimeError):  # they may have ended already
            self.lead(nan)

    def rates(self) -> Iterator[float]:
        """Wait for each step of the first process; yield its learning rate."""
        rate = torch.zeros((), dtype=torch.float64)
        while True:
            distributed.broadcast(rate, src=0)
            if isnan(rate):
                return
            yield rate.item()


def _as_tensor(archive: bytes) -> Tensor:
    return torch.frombuffer(bytearray(archive or b"\0"), dtype=torch.uint8)[: len(archive)]


def _as_bytes(archive: Tensor) -> bytes:
    return bytes(archive.numpy().tobytes())


@contextmanager
def process_group(device: str) -> Iterator[Group]:
    """Join the processes that torchrun has started, if it has; leave them at the end.

    Raises
    ------
    UserError
        If there is no such device, or the other processes cannot be reached.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1":
        yield Group()
        return
    if not distributed.is_available():
        raise UserError("This build of PyTorch trains on one process only.")
    here = choose_device(device)
    backend = "gloo"
    if here.type == "cuda":
        torch.cuda.set_device(here)
        backend = "cpu:gloo,cuda:nccl"
    if os.environ.get("LOCAL_WORLD_SIZE") == os.environ["WORLD_SIZE"]:
        # all on this machine: nobody else's needs to reach them
        os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback())
    try:
        distributed.init_process_group(backend, timeout=PROCESS_TIMEOUT)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"The other processes cannot be reached ({reason}).") from None
    try:
        yield Group.here()
    finally:
        gc.collect()  # what still holds the group would keep its threads beyond the end
        distributed.destroy_process_group()


def loopback() -> str:
    """Return the name of the network interface of this machine with itself; '' if unknown."""
    interfaces = psutil.net_if_addrs().items()
    return next((n for n, a in interfaces if "127.0.0.1" in {each.address for each in a}), "")


@contextmanager
def ending_with_the_leader() -> Iterator[None]:
    """Treat the loss of the first process as the end of the run."""
    try:
        yield
    except RuntimeError as error:
        if not is_process_lost(error):
            raise


def is_process_lost(error: RuntimeError) -> bool:
    """Whether an error means that another process has ended."""
    known = isinstance(error, distributed.DistError) if distributed.is_available() else False
    return known or "gloo" in str(error)


class SumOfAll(torch.autograd.Function):
    """The sum of a tensor over all processes, through which gradients flow back to each."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return Group.here().sum(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return Group.here().sum(gradient)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalization with the statistics of all processes, on CPUs.

    It is what `torch.nn.SyncBatchNorm` is on GPUs.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values, over = x.float(), (0, 2, 3)
        count = SumOfAll.apply(values.new_tensor(x[:, 0].numel()))
        mean = SumOfAll.apply(values.sum(over)) / count
        centred = values - mean[:, None, None]
        variance = SumOfAll.apply(centred.square().sum(over)) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def share_statistics(network: Network, device: torch.device) -> Network:
    """Return a network whose batch normalization sees the tiles of all processes.

    The names of the parameters and buffers stay as they are.
    """
    if device.type == "cuda":
        converted: Network = nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return converted
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = SharedBatchNorm
    return network
