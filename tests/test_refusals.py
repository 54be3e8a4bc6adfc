"""Words for what pydantic refuses."""

import pytest
from pydantic import ValidationError

from napari_utile.errors import UserError
from napari_utile.refusals import sentence, why
from napari_utile.settings.arrays import WeightSettings
from napari_utile.settings.checked import Settings, refused_option
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.prediction import PredictSettings
from napari_utile.settings.training import TrainSettings


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        (TrainSettings, {"steps": "many"}, "steps many: should be a whole number"),
        (TrainSettings, {"steps": 1.5}, "steps 1.5: should be a whole number"),
        (TrainSettings, {"steps": 10**400}, "steps: this number has more than 16 digits"),
        (TrainSettings, {"steps": [1]}, "steps [1]: should be a whole number"),
        (TrainSettings, {"w0": "x"}, "w0 x: should be a number"),
        (TrainSettings, {"w0": 10**400}, "w0 a number of more than 60 digits: should be"),
        (WeightSettings, {"sigma": "1,5"}, "sigma 1,5: should be a number, with a point for"),
        (WeightSettings, {"sigma": float("nan")}, "sigma nan: should be"),
        (TrainSettings, {"flips": "perhaps"}, "flips perhaps: should be true or false"),
        (TrainSettings, {"network": "x" * 99}, f"network {'x' * 60}...: should be"),
        (TrainSettings, {"widht": 3}, "widht is no option; did you mean width?"),
        (TrainSettings, {"qqq": 3}, "qqq is no option"),
        (PredictSettings, {"region": 5}, "region 5: should be text"),
        (PredictSettings, {"tile": "big"}, "tile big: should be a whole number or 'auto'"),
        (PredictSettings, {"region": "x"}, "region: 'x' is no region"),
        (CompareSettings, {"seeds": 3}, "seeds 3: should be a list"),
        (CompareSettings, {"networks": []}, "networks []: should be a list with more entries"),
        (CompareSettings, {"network": "unet"}, "network: a comparison has several"),
    ],
)  # fmt: skip
def test_a_refused_option_is_named_in_plain_words(kind: type[Settings], given, said):
    with pytest.raises(UserError) as refused:
        kind(**given)
    told = str(refused.value)
    assert told.startswith(said) and told[-1] == ("?" if "mean" in said else ".")
    assert isinstance(refused.value.__cause__, ValidationError)
    with pytest.raises(ValidationError) as same:
        kind.model_validate(given)
    assert told == sentence(refused_option(same.value, kind))
    for jargon in ("Input", "valid", "parse", "pydantic", "Value error"):
        assert jargon not in told


def test_the_value_is_not_repeated_where_it_is_seen():
    with pytest.raises(ValidationError) as refused:
        WeightSettings.model_validate({"sigma": "1,5"})
    assert why(refused.value.errors()) == "should be a number, with a point for decimals: 1.5"


def test_a_file_of_settings_is_named(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('\ufeff{"sigma": 3}', encoding="utf-8")
    assert WeightSettings.read(path).sigma == 3
    for content, said in (
        ('{"sigm": 1}', "sigm is no option"),
        ("[]", "object"),
        ("{", "JSON"),
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=rf"^{path}.*{said}"):
            WeightSettings.read(path)
