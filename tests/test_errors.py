"""Errors that the user can act on are caught as NumPy's are, and never reworded on the way."""

import pytest

from napari_utile.errors import EngineError, UserError, printable
from napari_utile.io.disk import check_writable
from napari_utile.io.images import open_image
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings


def test_an_error_of_the_user_is_a_value_error_and_none_of_ours_is_a_runtime_error():
    assert issubclass(UserError, ValueError)
    assert not issubclass(EngineError, ValueError)
    assert not any(issubclass(error, RuntimeError) for error in (UserError, EngineError))


def test_an_empty_file_is_said_to_be_empty_and_nothing_else(tmp_path):
    path = tmp_path / "image.tif"
    path.touch()
    with pytest.raises(UserError) as caught:
        open_image(path)
    assert str(caught.value) == f"{path} is empty."


def test_an_output_below_a_file_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "out.tif"
    with pytest.raises(UserError) as caught:
        check_writable(path)
    assert str(caught.value) == f"{path} cannot be written: {path.parent} is not a folder."


@pytest.mark.parametrize("kind", [TrainSettings, PredictSettings, EvaluateSettings])
def test_a_wrong_option_is_one_sentence(kind):
    with pytest.raises(UserError, match="widht is no option"):
        kind(widht=3)


def test_no_sign_of_a_name_steers_a_terminal():
    name = "a\x1b]0;x\x07\x9b2J\r\n\u202egnp.\x7f\u2028 µ \u732b"
    shown = printable(name)
    assert shown.isprintable()
    assert shown.startswith(r"a\x1b]0;x\x07\x9b2J\r\n\u202egnp.\x7f\u2028 µ")


def test_a_message_is_one_line_whatever_is_put_into_it():
    assert str(UserError("a\x1bb.tif is\n  cut\toff.")) == r"a\x1bb.tif is cut\toff."
