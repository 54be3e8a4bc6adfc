"""The device and the number format that compute, and why no better one is used."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

from napari_utile import __version__
from napari_utile.errors import UserError
from napari_utile.io.units import size_text

CUDA_WHEELS = "https://download.pytorch.org/whl/cu130"


def choose_device(name: str = "auto") -> torch.device:
    """Return the device of that name; "auto" is the GPU if it can be used, else the CPU.

    Of several processes on a machine, each has its own GPU, by the variable LOCAL_RANK.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda", "cuda:N"}, default "auto"

    Raises
    ------
    UserError
        If there is no such device here; the message says why.
    """
    if name == "auto":
        name = "cpu" if reasons_without_gpu() else "cuda"
    if name == "cuda" and (rank := os.environ.get("LOCAL_RANK")):
        name = f"cuda:{rank}"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"There is no device {name!r}: choose auto, cpu, cuda or cuda:N.")
    if device.type == "cuda":
        if reasons := reasons_without_gpu():
            raise UserError(f"The device {name!r} cannot be used: {reasons[0]}")
        if (device.index or 0) >= (count := torch.cuda.device_count()):
            raise UserError(f"There is no device {name!r}: the last is 'cuda:{count - 1}'.")
    return device


def reasons_without_gpu() -> list[str]:
    """Return in sentences why no GPU can be used, and what helps; empty if one can."""
    if not torch.backends.cuda.is_built() and platform.system() == "Darwin":
        return ["U-Tile computes on the CPU of a Mac."]
    if not torch.backends.cuda.is_built():
        install = f"pip install --force-reinstall torch --index-url {CUDA_WHEELS}"
        seen = "to use the GPU" if shutil.which("nvidia-smi") else "for an NVIDIA GPU, if any"
        return [f"PyTorch {torch.__version__} is built for the CPU only; {seen}: {install}"]
    if (hidden := os.environ.get("CUDA_VISIBLE_DEVICES")) in ("", "-1"):
        return [f"CUDA_VISIBLE_DEVICES is {hidden!r}, which hides every GPU; unset it."]
    if not torch.cuda.is_available():
        return [
            "No NVIDIA GPU and driver answer; if there is a GPU, `nvidia-smi` must list it, "
            f"with a driver for CUDA {torch.version.cuda} or newer."
        ]
    if too_old := _too_old():
        return [too_old]
    return []


def unused_gpu() -> str | None:
    """Return why the GPU of this machine is not used; None if it is, or there is none."""
    reasons = reasons_without_gpu() if shutil.which("nvidia-smi") else []
    return f"Computing on the CPU. {reasons[0]}" if reasons else None


def autocast_dtype(device: torch.device, precision: str, training: bool) -> torch.dtype | None:
    """Return the number format of the convolutions; None is float32.

    "auto" is bfloat16 on CUDA, and in training also on a CPU that has instructions for it.
    Predictions on the CPU stay in float32, in which tiles agree to 1e-5.

    Parameters
    ----------
    device : torch.device
        What computes.
    precision : {"auto", "fp32", "bf16"}
        As in the settings.
    training : bool
        Whether to train or to predict.
    """
    if precision == "auto":
        fast = _has_bfloat16() if device.type == "cpu" else True
        precision = "bf16" if fast and (training or device.type != "cpu") else "fp32"
    return torch.bfloat16 if precision == "bf16" else None


def describe(device: torch.device, dtype: torch.dtype | None = None) -> str:
    """Return in words what computes, such as "cpu (2 threads, fp32)"."""
    number = "bf16" if dtype == torch.bfloat16 else "fp32"
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads, {number})"
    return f"{device} ({torch.cuda.get_device_name(device)}, {number})"


def free_memory(device: torch.device) -> int:
    """Return the free memory of a device in bytes, within the limit of a batch job."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + cached
    return min(psutil.virtual_memory().available, _left_in_control_group())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory is used up."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # the allocator of the CPU raises a plain RuntimeError
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def is_lost(error: BaseException) -> bool:
    """Whether an error means that this process can no longer use the GPU."""
    lost = getattr(torch, "AcceleratorError", ())
    return isinstance(error, lost) or (
        isinstance(error, RuntimeError)
        and "CUDA error" in str(error)
        and not is_out_of_memory(error)
    )


def _has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16; without such instructions it is slow."""
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, question, bool)() for question in questions)


def _too_old() -> str | None:
    """Return a sentence if this PyTorch has no code for the GPU, else None."""
    major, minor = torch.cuda.get_device_capability()
    compiled = [arch.removeprefix("sm_") for arch in torch.cuda.get_arch_list()]  # AMD: gfx...
    lowest = min((int(arch) for arch in compiled if arch.isdigit()), default=0)
    if 10 * major + minor >= lowest:
        return None
    return (
        f"{torch.cuda.get_device_name()} (compute capability {major}.{minor}) is too old for "
        f"PyTorch {torch.__version__}; use pip install --force-reinstall torch "
        "--index-url https://download.pytorch.org/whl/cu126"
    )


def _left_in_control_group() -> int:
    """Return the bytes left to a container or batch job; psutil sees the whole machine."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text("ascii").strip()
        used = int((group / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return 2**63
    return 2**63 if limit == "max" else max(int(limit) - used, 0)


OPTIONAL = ("napari", "PyQt6", "pyqtgraph", "numba", "zarr", "tifffile")
"""Packages whose versions explain most faults."""


def diagnose() -> dict[str, str]:
    """Return findings in words, by name; "why no GPU" only if none can be used."""
    device = choose_device("auto")
    findings = {
        "U-Tile": __version__,
        "Python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.platform()}, {os.cpu_count()} cores, "
        f"{size_text(psutil.virtual_memory().total)} of memory",
        "torch": f"{torch.__version__}, built for "
        + (f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU"),
        "device": describe(device, autocast_dtype(device, "auto", training=True)),
        "free memory": size_text(free_memory(device)),
    }
    findings |= {name: _version(name) for name in OPTIONAL}
    if reasons := reasons_without_gpu():
        findings["why no GPU"] = " ".join(reasons)
    return findings


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return f"not installed (pip install {package})"
