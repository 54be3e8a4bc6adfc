"""The random numbers that dropout draws from."""

import torch

from napari_utile.engine.training.random_state import (
    random_state,
    restore_random_state,
    seed_dropout,
)

CPU = torch.device("cpu")


def test_what_was_drawn_is_drawn_again():
    state = random_state(CPU)
    drawn = torch.rand(5)
    torch.rand(3)
    restore_random_state(state, CPU)
    assert torch.equal(torch.rand(5), drawn)


def test_each_step_of_each_process_draws_its_own():
    def drawn(*given):
        seed_dropout(*given)
        return tuple(torch.rand(3).tolist())

    assert drawn(1, 2, 3) == drawn(1, 2, 3)
    assert len({drawn(*given) for given in ((1, 2, 3), (0, 2, 3), (1, 0, 3), (1, 2, 0))}) == 4
