"""Messages in the words of the shell."""

import pytest

from napari_utile.cli.flag_words import with_flags


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("correct it, or add skip broken.", "correct it, or add --skip-broken."),
        ("set crowds as objects.", "set --crowds-as-objects."),
        ("overwrite replaces it.", "--overwrite replaces it."),
        (
            "choose another, or overwrite it.",
            "choose another, or overwrite it with --overwrite.",
        ),
        ("if so, set ignore to 255.", "if so, give --ignore 255."),
        ("or set sparse, where 1", "or give --sparse, where 1"),
        ("leave out sparse; if not", "leave out --sparse; if not"),
        ("choose the target instances.", "choose --target instances."),
        (
            "The option prediction holds says which.",
            "The option --prediction-holds says which.",
        ),
        ("Correct this, or leave out strict", "Correct this, or leave out --strict"),
    ],
)
def test_options_become_flags_once(message, said):
    assert with_flags(message) == said
    assert with_flags(said) == said


def test_other_words_stay():
    for message in ("the target is a file", "No option is broken.", "sparse labels"):
        assert with_flags(message) == message
