"""Files of settings: read for a command, for a run folder, and written as flags."""

import json
from pathlib import Path

from napari_utile.cli.main import parsed_command
from napari_utile.errors import UserError
from napari_utile.settings import (
    CocoSettings,
    CompareSettings,
    EvaluateSettings,
    PredictSettings,
    TrainSettings,
    WeightSettings,
)
from napari_utile.widgets.process.command_line import flags

KIND = "json"
COMMANDS = {"train": TrainSettings, "compare": CompareSettings, "predict": PredictSettings}
OTHERS = (CocoSettings, EvaluateSettings, WeightSettings)


def seeds() -> list[bytes]:
    """Make files as runs hold them, older ones, and one in another notation."""
    kinds = [*COMMANDS.values(), *OTHERS]
    texts = [kind().text() for kind in kinds]
    old = {"validation": 0.3, "validations": 5, "recipe": "paper", "minutes": 1.5}
    region = {"region": "0:1,2:3", "tile": 64, "objects": "components"}
    return [text.encode() for text in (*texts, json.dumps(old), json.dumps(region))]


def check(data: bytes, folder: Path) -> None:
    """Read a file in every way; it is refused if no class takes it."""
    path = folder / "settings.json"
    path.write_bytes(data)
    refusals = []
    for name, kind in COMMANDS.items():
        try:
            kind.read(path)
            words = [name, "a", "b", "--out", "o", "--settings", str(path)]
            options = parsed_command(words).options()
            again = parsed_command([name, "a", "b", "--out", "o", *flags(options)])
            assert again.options() == options
        except UserError as error:
            refusals.append(error)
    for kind in OTHERS:
        try:
            kind.read(path)
        except UserError as error:
            refusals.append(error)
    if len(refusals) == len(COMMANDS) + len(OTHERS):
        raise refusals[0]
