"""The parameters of a network as a file: tensors by name, and never code."""

from copy import deepcopy
from hashlib import blake2b, file_digest
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_utile.engine.models.archives import read_archive, write_archive
from napari_utile.errors import UserError
from napari_utile.networks.tileable import Network

Parameters = dict[str, Tensor]
"""Parameters and buffers of a network, by name."""


def in_float32(network: Network) -> Network:
    """Return a network with its parameters in float32: itself, or a copy.

    Parameters
    ----------
    network : nn.Module

    Returns
    -------
    nn.Module
    """
    if all(parameter.dtype == torch.float32 for parameter in network.parameters()):
        return network
    return deepcopy(network).float()


def write_parameters(network: nn.Module, path: Path, model: Path | None = None) -> None:
    """Write the state of `network`, moved to the CPU, as a part of `model`.

    Raises
    ------
    UserError
        If the disk is full.
    """
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    write_archive(state, path, model)


def read_parameters(path: Path, check_sums: bool = True) -> Parameters:
    """Read the parameters of a network. Nothing in the file is executed.

    Parameters
    ----------
    path : Path
        File that `write_parameters` wrote.
    check_sums : bool, default True
        Whether the sums in the file are compared with its content.

    Returns
    -------
    dict of str to Tensor
        On the CPU.

    Raises
    ------
    UserError
        If the file is missing, empty, cut off, not a file of parameters, or holds more than
        tensors.
    """
    parameters = read_archive(path, check_sums)
    if not isinstance(parameters, dict) or not parameters:
        raise UserError(f"{path} holds no parameters.")
    for name, value in parameters.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise UserError(f"{path} holds {name!r}, which is not a tensor with a name.")
    return parameters


def assign_parameters(network: nn.Module, parameters: Parameters, path: Path) -> None:
    """Set the parameters of a network, which may be on the device "meta".

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    parameters : dict of str to Tensor
        As `read_parameters` returns them.
    path : Path
        Where they were read, for messages.

    Raises
    ------
    UserError
        If names, shapes or number formats differ from those of the network, or parameters
        are not finite.
    """
    if problem := parameter_problem(network, parameters):
        raise UserError(f"{path} {problem}.")
    network.load_state_dict(parameters, assign=True)


def parameter_problem(network: nn.Module, parameters: Parameters) -> str:
    """Return why parameters are not those of a network, to follow their name; '' if they are.

    Parameters
    ----------
    network : nn.Module
        May be on the device "meta".
    parameters : dict of str to Tensor

    Returns
    -------
    str
        Names the first few that differ in shape or number format, or one that is not finite.
    """
    own = network.state_dict()
    expected = {name: tuple(value.shape) for name, value in own.items()}
    found = {name: tuple(value.shape) for name, value in parameters.items()}
    if difference := shape_differences(expected, found):
        return f"fits another network than the model's: {difference}"
    for name, value in parameters.items():
        if value.dtype != own[name].dtype:
            here, there = (str(t.dtype).removeprefix("torch.") for t in (own[name], value))
            return f"has parameters of another number format: {name!r} is {there}, not {here}"
        if not torch.isfinite(value).all():
            return f"has parameters that are NaN or infinite, in {name!r}"
    return ""


def shape_differences(
    expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]], most: int = 3
) -> str:
    """Describe how two sets of named shapes differ, by the first few names; '' if equal."""
    words = [f"{name!r} is missing" for name in expected if name not in found]
    words += [
        f"{name!r} is {found[name]} instead of {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    words += [f"{name!r} is unknown" for name in found if name not in expected]
    more = [f"and {len(words) - most} more"] if len(words) > most else []
    return ", ".join(words[:most] + more)


def digest(path: Path) -> str:
    """Compute the SHA-256 of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def digest_of_parameters(parameters: Parameters) -> str:
    """Compute the BLAKE2 digest of parameters."""
    digest = blake2b(digest_size=16)
    for name, value in sorted(parameters.items()):
        pixels = value.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {pixels.dtype} {pixels.shape}".encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()
