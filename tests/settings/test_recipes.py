"""Named sets of options."""

import pytest

from napari_utile.settings.recipes import PAPER, RECIPES
from napari_utile.settings.training import TrainSettings


def test_the_paper_is_one_word():
    paper = TrainSettings(recipe="paper")
    assert {name: getattr(paper, name) for name in PAPER} == PAPER
    # sec. 3: "high momentum (0.99)", "a single image" per batch, unpadded convolutions;
    # fig. 1: 64 features, 388 pixels out of 572
    assert (paper.momentum, paper.batch, paper.padding) == (0.99, 1, "valid")
    assert (paper.width, paper.depth, paper.tile) == (64, 4, 388)
    # sec. 3: eq. 2 with w0 = 10 and sigma about 5 pixels; 3.1: 10 pixels on a 3 x 3 grid
    assert (paper.w0, paper.sigma, paper.elastic) == (10, 5, 10)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_one_word(name):
    settings = TrainSettings(recipe=name)
    assert {option: getattr(settings, option) for option in RECIPES[name]} == RECIPES[name]


def test_what_is_given_wins_over_the_recipe():
    assert TrainSettings(recipe="paper", width=8).width == 8
    assert TrainSettings(width=8, recipe="paper").momentum == 0.99


def test_filling_in_a_recipe_changes_neither_it_nor_what_was_given():
    given, before = {"recipe": "paper", "width": 8}, dict(PAPER)
    TrainSettings.model_validate(given)
    assert given == {"recipe": "paper", "width": 8}
    assert before == PAPER
