"""torch's own random numbers, from which dropout draws: saved, restored, and seeded."""

import numpy as np
import torch
from torch import Tensor


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the state of torch's generators.

    Parameters
    ----------
    device : torch.device
        What trains.

    Returns
    -------
    dict
        Device type, "cpu" and perhaps "cuda" -> state.
    """
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Restore the state of torch's generators; a run may have changed its device since.

    Parameters
    ----------
    state : dict
        From `random_state`.
    device : torch.device
        What trains now.
    """
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def check_generator_state(state: Tensor) -> None:
    """Refuse what is not the state of a generator of the CPU.

    Parameters
    ----------
    state : Tensor

    Raises
    ------
    ValueError
    """
    try:
        torch.Generator().set_state(state)
    except RuntimeError as wrong:  # another size
        raise ValueError(str(wrong)) from None


def seed_dropout(seed: int, step: int, rank: int) -> None:
    """Seed dropout: reproducible, and different in each process and step.

    Parameters
    ----------
    seed : int
        Of the run.
    step, rank : int
        Steps taken so far, and number of the process.
    """
    torch.manual_seed(int(np.random.SeedSequence((seed, step, rank)).generate_state(1)[0]))
