import pytest

from napari_utile.errors import UserError
from napari_utile.io.broken import open_sound


def even(number):
    if number % 2:
        raise UserError(f"{number} is odd.")
    return number


def test_sound_ones_are_opened_without_a_word():
    assert open_sound([2, 4], even, skip_broken=False) == ([2, 4], ())


def test_all_broken_ones_are_named_with_the_way_on():
    with pytest.raises(UserError) as refused:
        open_sound([1, 2, 3], even, skip_broken=False, lacking=["no labels for 5"])
    assert str(refused.value) == (
        "3 of 4 pairs are broken: no labels for 5; 1 is odd; 3 is odd. "
        "Correct or remove them, or add skip broken to leave them out."
    )


def test_broken_ones_are_left_out_on_request_and_counted():
    opened, warnings = open_sound([1, 2, *range(3, 20, 2)], even, skip_broken=True)
    assert opened == [2]
    (said,) = warnings
    assert said.startswith("10 of 11 pairs are left out: 1 is odd; 3 is odd;")
    assert said.endswith("9 is odd; and 5 more.")


@pytest.mark.parametrize("skip_broken", [False, True])
def test_leaving_out_never_leaves_nothing(skip_broken):
    with pytest.raises(UserError, match=r"^2 of 2 pairs are broken.* remove them\.$"):
        open_sound([1, 3], even, skip_broken)


def test_the_only_one_is_refused_in_its_own_words():
    with pytest.raises(UserError, match=r"^7 is odd\.$"):
        open_sound([7], even, skip_broken=True)
