"""Options of COCO, by old names."""

import json

import pytest

from napari_utile.coco.experiment.evaluate import check_out
from napari_utile.errors import UserError
from napari_utile.settings.coco import CocoEvaluateSettings


def test_scores_of_coco_under_old_names_are_the_same_scores(tmp_path):
    facts = {"annotations": "a.json"} | CocoEvaluateSettings().model_dump()
    (tmp_path / "data.json").write_text(json.dumps(facts).replace("instance_method", "objects"))
    check_out(tmp_path, facts, overwrite=False)
    with pytest.raises(UserError, match="other images or options"):
        check_out(tmp_path, facts | {"instance_method": "components"}, overwrite=False)
