"""The parameters of a network as a file: tensors by name, and never code.

What is read may come from anybody. It is unpacked only if it is a plain archive no larger
than it says, and only tensors are made of it; a pickle that wants to call something is
refused before it can.
"""

import pickle
import zipfile
from hashlib import blake2b, file_digest
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_utile.errors import UserError
from napari_utile.io.disk import room_for

Parameters = dict[str, Tensor]
"""Parameters and buffers of a network, by name."""


def write_parameters(network: nn.Module, path: Path) -> None:
    """Write the state of `network`, moved to the CPU.

    Raises
    ------
    UserError
        If the disk is full.
    """
    state = {name: value.detach().cpu() for name, value in network.state_dict().items()}
    archive = BytesIO()  # writing to disk itself, torch does not report a full disk
    torch.save(state, archive)
    with room_for(path.parent, archive.tell()):
        path.write_bytes(archive.getbuffer())


def read_parameters(path: Path) -> Parameters:
    """Read the parameters of a network. Nothing in the file is executed.

    Parameters
    ----------
    path : Path
        File that `write_parameters` wrote.

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
    _check_archive(path)
    try:
        parameters = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        # torch's own message tells how to switch the protection off
        raise UserError(
            f"{path} holds code, not only parameters; it was not loaded and nothing was run."
        ) from None
    except Exception as broken:  # a damaged archive can fail in any way
        raise UserError(f"{path} is damaged ({type(broken).__name__}).") from None
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
        If names or shapes differ from those of the network, or parameters are not finite.
    """
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in parameters.items()}
    if difference := shape_differences(expected, found):
        raise UserError(f"{path} fits another network than the model's: {difference}.")
    for name, value in parameters.items():
        if not torch.isfinite(value).all():
            raise UserError(f"{path} has parameters that are NaN or infinite, in {name!r}.")
    network.load_state_dict(parameters, assign=True)


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


def _check_archive(path: Path) -> None:
    """Refuse what is not an uncompressed archive, before anything is unpacked."""
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    size = path.stat().st_size
    if not size:
        raise UserError(f"{path} is empty.")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError):
        raise UserError(f"{path} is cut off, or is no file of parameters.") from None
    compressed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
    if compressed or sum(entry.file_size for entry in entries) > size:
        raise UserError(f"{path} would unpack to more than its size; it was not loaded.")


def digest_of_parameters(parameters: Parameters) -> str:
    """Compute the BLAKE2 digest of parameters."""
    digest = blake2b(digest_size=16)
    for name, value in sorted(parameters.items()):
        pixels = value.detach().cpu().contiguous().numpy()
        digest.update(f"{name} {pixels.dtype} {pixels.shape}".encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()
