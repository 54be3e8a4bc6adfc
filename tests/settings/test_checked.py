"""Options: checked, frozen, the same in a file as in memory."""

import json
from importlib import import_module
from pkgutil import iter_modules

import pytest
from pydantic import ValidationError

from napari_utile import settings
from napari_utile.errors import UserError
from napari_utile.settings.arrays import SampleSettings, WeightSettings
from napari_utile.settings.checked import Settings
from napari_utile.settings.coco import CocoEvaluateSettings, CocoSettings
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.labels import LabelSettings
from napari_utile.settings.network_choice import NetworkChoice
from napari_utile.settings.prediction import LinkSettings, ObjectSettings, PredictSettings
from napari_utile.settings.training import TrainingOptions, TrainSettings

EVERY = [
    TrainSettings,
    PredictSettings,
    WeightSettings,
    EvaluateSettings,
    CocoSettings,
    CocoEvaluateSettings,
    ObjectSettings,
    LinkSettings,
    LabelSettings,
    SampleSettings,
]


@pytest.mark.parametrize("kind", EVERY)
def test_every_option_has_a_default_and_help(kind):
    assert kind() == kind.model_validate({})
    for name, field in kind.model_fields.items():
        assert field.description, name
        assert not field.description.endswith("."), name


@pytest.mark.parametrize("kind", [*EVERY, CompareSettings])
def test_a_form_shows_every_option_once(kind):
    folded = [name for names in kind.groups().values() for name in names]
    assert sorted([*kind.main_options(), *folded]) == sorted(kind.model_fields)
    assert "More" not in [*kind.groups()][:-1]


@pytest.mark.parametrize("kind", EVERY)
def test_a_file_gives_back_the_same_settings(kind, tmp_path):
    path = tmp_path / "settings.json"
    path.write_text(kind().text())
    assert kind.read(path) == kind()
    assert kind.read(path).text() == path.read_text()
    assert set(json.loads(path.read_text())) == set(kind.model_fields)


@pytest.mark.parametrize("kind", EVERY)
def test_settings_are_frozen(kind):
    name = next(iter(kind.model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(kind(), name, None)


@pytest.mark.parametrize("kind", EVERY)
def test_an_option_that_is_not_there_is_refused(kind):
    with pytest.raises(UserError, match="widht"):
        kind(widht=3)


VALUES = {
    "validation_share": 0.3, "validations_per_run": 3, "instance_method": "components",
    "target": "classes", "score_thresholds": True, "threshold_slices": "1:2",
}  # fmt: skip


RENAMED = [(kind, *names) for kind in EVERY for names in kind.renamed.items()]


@pytest.mark.parametrize(("kind", "old", "new"), RENAMED)
def test_an_old_name_of_an_option_is_read_and_the_new_one_written(kind, old, new, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({old: VALUES[new]}))
    read = kind.read(tmp_path / "settings.json")
    assert read == kind(**{old: VALUES[new]}) == kind(**{new: VALUES[new]}) != kind()
    assert old not in json.loads(read.text())
    with pytest.raises(UserError, match=f"{old} is the old name of {new}: give one of"):
        kind(**{old: VALUES[new], new: VALUES[new]})


def test_nothing_else_hides_in_the_room():
    names = [
        module.name for module in iter_modules(settings.__path__, "napari_utile.settings.")
    ]
    found = [vars(import_module(name)).values() for name in names]
    classes = [c for values in found for c in values if isinstance(c, type)]
    kinds = {c for c in classes if issubclass(c, Settings)}
    assert kinds == {Settings, NetworkChoice, TrainingOptions, CompareSettings, *EVERY}
