"""Words of a command line, as the shell gave them: no comma or quote in them has a meaning.

Names of files reach the commands letter by letter. Only lists of what the program itself names
(`SPLIT_AT_COMMAS`) may be written with commas.
"""

import json
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from typing import Any, get_args

from pydantic_settings import BaseSettings, CliSettingsSource

from napari_utile.cli.options import kebab
from napari_utile.errors import UserError
from napari_utile.settings.comparison import CompareSettings
from napari_utile.settings.evaluation import EvaluateSettings
from napari_utile.settings.training import TrainSettings

SPLIT_AT_COMMAS = frozenset({"networks", "seeds", "spacing"})
"""Options whose values never hold a comma: one flag may give several of them."""

NO_WORD = "\0"
"""What stands for None among the words: no argument of a process can hold it."""

NUMBERS_OR_NONE = frozenset(
    name
    for kind in (TrainSettings, CompareSettings, EvaluateSettings)
    for name, field in kind.model_fields.items()
    if {type(None)} < {*get_args(field.annotation)} <= {type(None), int, float}
)
"""Options without a value by default, for which the word "None" is no name."""


class WordsAsGiven(CliSettingsSource[Any]):
    """Options from a command line whose words are not parsed once more.

    pydantic-settings alone would cut the words of an option that may be repeated at commas, and
    take quotes, brackets, braces and numbers in them, and any "None", for JSON.

    Parameters
    ----------
    command : subclass of BaseSettings
        Its fields are the options.
    """

    def __init__(self, command: type[BaseSettings]):
        super().__init__(
            command,
            cli_parse_none_str=NO_WORD,
            parse_args_method=_parse,
            formatter_class=_Help,
        )


class _Help(RawDescriptionHelpFormatter):
    def format_help(self) -> str:
        return super().format_help().replace(NO_WORD, "none")


def _parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Parse a command line. Several words of one option become a list in JSON.

    Raises
    ------
    UserError
        If a word is empty, as is a variable of the shell that was never set.
    """
    words = parser.parse_args(arguments)
    for place, value in vars(words).items():
        name = place.rpartition(".")[2]
        if value == "" or (isinstance(value, list) and "" in value):
            raise UserError(f"{kebab(name)} is empty; was a variable of the shell never set?")
        if isinstance(value, list):
            split = _split(value) if name in SPLIT_AT_COMMAS else value
            setattr(words, place, json.dumps(split))
        elif name in NUMBERS_OR_NONE and value in ("None", "none"):
            setattr(words, place, NO_WORD)
    return words


def _split(words: Sequence[str]) -> list[str]:
    return [part.strip() for word in words for part in word.split(",")]
