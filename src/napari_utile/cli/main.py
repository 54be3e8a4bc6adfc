"""The command `utile`: flags made from the settings classes, events printed as they come.

The engine is imported inside the commands, so that `utile --help` is there at once.
"""

import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from typing import Any, Protocol, get_args

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliSubCommand,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    get_subcommand,
)

from napari_utile import __version__
from napari_utile.cli.coco import Coco
from napari_utile.cli.compare import Compare
from napari_utile.cli.display import (
    DEFECT,
    DONE,
    REFUSED,
    STOPPED,
)
from napari_utile.cli.evaluate import Evaluate
from napari_utile.cli.flag_words import with_flags
from napari_utile.cli.instances import InstancesCommand
from napari_utile.cli.link import Link
from napari_utile.cli.mesh import MeshCommand
from napari_utile.cli.models import COMMANDS_OF_MODELS, Models
from napari_utile.cli.objects import Objects
from napari_utile.cli.options import first_sentence, kebab
from napari_utile.cli.predict import Predict
from napari_utile.cli.serve import Serve
from napari_utile.cli.small import Doctor, Sample, Weights
from napari_utile.cli.train import Train, TrainPreview
from napari_utile.cli.words import WordsAsGiven
from napari_utile.errors import DifferentRunError, EngineError, UserError, printable
from napari_utile.events import RunFailed
from napari_utile.io.disk import full_disk, is_disk_full
from napari_utile.io.names import check_name


class Utile(BaseSettings):
    """Train a U-Net on a few annotated slices, and segment stacks of any size."""

    model_config = SettingsConfigDict(
        cli_prog_name="utile",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_exit_on_error=False,
    )

    version: bool = Field(False, description="Print the version")
    train: CliSubCommand[Train] = Field(description=Train.__doc__)
    preview: CliSubCommand[TrainPreview] = Field(description=TrainPreview.__doc__)
    predict: CliSubCommand[Predict] = Field(description=Predict.__doc__)
    instances: CliSubCommand[InstancesCommand] = Field(description=InstancesCommand.__doc__)
    link: CliSubCommand[Link] = Field(description=Link.__doc__)
    compare: CliSubCommand[Compare] = Field(description=Compare.__doc__)
    weights: CliSubCommand[Weights] = Field(description=Weights.__doc__)
    evaluate: CliSubCommand[Evaluate] = Field(description=Evaluate.__doc__)
    objects: CliSubCommand[Objects] = Field(description=Objects.__doc__)
    mesh: CliSubCommand[MeshCommand] = Field(description=MeshCommand.__doc__)
    serve: CliSubCommand[Serve] = Field(description=Serve.__doc__)
    coco: CliSubCommand[Coco] = Field(description=Coco.__doc__)
    models: CliSubCommand[Models] = Field(description=Models.__doc__)
    sample: CliSubCommand[Sample] = Field(description=Sample.__doc__)
    doctor: CliSubCommand[Doctor] = Field(description=Doctor.__doc__)

    def run(self) -> int:
        """Print the version: what there is to do without a command."""
        print(f"utile {__version__}")
        return DONE

    @classmethod
    def settings_customise_sources(  # type: ignore[override]
        cls, _: type[BaseSettings], init_settings: PydanticBaseSettingsSource, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the command line alone: an environment variable TRAIN must not set options."""
        return (init_settings,)


COMMAND_NAMES = {*Utile.model_fields, *Coco.model_fields, *COMMANDS_OF_MODELS}
"""What may stand before an option in the place of an error."""


class Command(Protocol):
    """What `main` runs."""

    def run(self) -> int:
        """Do the work; return the exit status."""
        ...


NO_ROOM = "The disk that the output goes to is full; make room."
FORMER_COMMANDS = {"augment": "preview"}
"""Names of commands in older versions -> their names now."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        Exit status: 0 done, 2 the user must change something, 130 stopped, 1 a defect.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    as_events = "--events" in arguments
    try:
        with _whole_output():
            return parsed_command(arguments).run()
    except (UserError, EngineError) as error:
        status = REFUSED if isinstance(error, UserError) else DEFECT
        differs = error.differences if isinstance(error, DifferentRunError) else ()
        return _fail(str(error), status, as_events, differs)
    except (KeyboardInterrupt, BrokenPipeError):
        return STOPPED  # before a run began, or asked twice; or standard output is closed
    except SystemExit as end:  # --help
        return int(end.code or DONE)
    except OSError as error:
        return _fail(_of_system(error), REFUSED, as_events)
    except Exception as error:
        traceback.print_exc()
        return _fail(f"{type(error).__name__}: {error}", DEFECT, as_events)


@contextmanager
def _whole_output() -> Iterator[None]:
    """Say if standard output cannot take all: Python itself would only notice at the exit.

    Raises
    ------
    OSError
        If its disk is full, or nobody reads it. What it has not taken is dropped.
    """
    try:
        yield
        if sys.stdout:
            sys.stdout.flush()
    except OSError:
        _drop_output()
        raise


def _drop_output() -> None:
    """Send what standard output does not take nowhere: the exit would fail on it."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):  # it is no file
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _of_system(error: OSError) -> str:
    """Return an error of the operating system as a sentence."""
    if is_disk_full(error):
        return full_disk(error.filename) if error.filename else NO_ROOM
    return f"{error.filename or 'File'}: {error.strerror or error}."


def parsed_command(arguments: list[str]) -> Command:
    """Return the command of a command line, with its options.

    Parameters
    ----------
    arguments : list of str

    Raises
    ------
    UserError
        If there is no such command or option, or a value is out of range.
    """
    for argument in arguments:
        check_name(argument)
    try:
        given = present_arguments(arguments) or ["--help"]
        utile = CliApp.run(Utile, cli_args=given, cli_settings_source=WordsAsGiven(Utile))
    except ValidationError as error:
        raise UserError(first_sentence(error, COMMAND_NAMES)) from None
    except SettingsError as error:
        wrong = str(error).removeprefix("error parsing CLI: ")
        raise UserError(f"{wrong}; {_hint(wrong, arguments)}see --help.") from None
    command: Command = utile if utile.version else get_subcommand(utile)  # type: ignore[assignment]
    return command


def present_arguments(arguments: Sequence[str]) -> list[str]:
    """Return a command line with present names for commands and flags of older versions.

    Parameters
    ----------
    arguments : sequence of str

    Returns
    -------
    list of str

    Raises
    ------
    UserError
        If an option is given under both names.
    """
    if arguments:
        first, *rest = arguments
        arguments = [FORMER_COMMANDS.get(first, first), *rest]
    renamed = {
        f"--{prefix}{kebab(old)}": f"--{prefix}{kebab(new)}"
        for old, new in getattr(_command(arguments), "renamed", {}).items()
        for prefix in ("", "no-")
    }
    end = (
        arguments.index("--") if "--" in arguments else len(arguments)
    )  # names of files follow
    given = [argument.partition("=") for argument in arguments[:end]]
    flags = {flag for flag, *_ in given}
    if both := [old for old in flags & renamed.keys() if renamed[old] in flags]:
        raise UserError(f"{both[0]} is the old name of {renamed[both[0]]}: give one of them.")
    present = [renamed.get(flag, flag) + equals + value for flag, equals, value in given]
    return [*present, *arguments[end:]]


def _command(arguments: Sequence[str]) -> type[Any]:
    """Return the class of the command that a command line names."""
    command: type[Any] = Utile
    for argument in arguments:
        if argument not in COMMAND_NAMES or argument not in command.model_fields:
            break
        command = get_args(command.model_fields[argument].annotation)[0]
    return command


def _hint(wrong: str, arguments: Sequence[str]) -> str:
    """Return the flag that was probably meant, or how to write a name with a leading dash."""
    dashed = [word for word in arguments if word.startswith("-") and os.path.lexists(word)]
    if dashed:
        return f"the file {dashed[0]} is written ./{dashed[0]}; "
    _, without_value, _ = wrong.partition(": expected one argument")
    flag = wrong.removeprefix("argument ").partition(":")[0]
    if without_value and flag in arguments[:-1]:
        value = arguments[arguments.index(flag) + 1]
        return f"a value with a leading dash is written {flag}={value}; "
    _, _, unknown = wrong.partition("unrecognized arguments: ")
    flags = [f"--{kebab(name)}" for name in _command(arguments).model_fields]
    meant = get_close_matches(unknown.partition(" ")[0], flags, 1) if unknown else []
    return f"did you mean {meant[0]}? " if meant else ""


def _fail(message: str, status: int, as_events: bool, differs: tuple[str, ...] = ()) -> int:
    message = re.sub(r"\s*\n\s*", " ", message)
    print(f"utile: {printable(with_flags(message))}", file=sys.stderr)
    if as_events:
        try:
            end = RunFailed(message=message, user=status == REFUSED, differs=differs)
            print(end.line(), flush=True)
        except OSError:  # its disk is full, or nobody reads it
            _drop_output()
    return status
