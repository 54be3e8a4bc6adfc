"""Options of an evaluation, by old names."""

import numpy as np
import pytest

from napari_utile import evaluate


def test_a_function_takes_old_names_of_options_as_keywords():
    truth = np.array([[1, 1, 0, 2]])
    old = evaluate(truth * 7, truth, labels="classes", objects="components")
    new = evaluate(truth * 7, truth, target="classes", instance_method="components")
    assert old.to_json() == new.to_json() != evaluate(truth * 7, truth).to_json()
    with pytest.raises(ValueError, match="labels is the old name of target"):
        evaluate(truth, truth, labels="classes", target="classes")
