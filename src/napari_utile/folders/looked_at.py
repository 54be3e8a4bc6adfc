"""The file in a run folder that says which slice somebody looks at while it trains.

A window writes it, or a user: {"index": [3]}. The run reads it before each preview.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class LookedAt(BaseModel):
    """What somebody looks at.

    Attributes
    ----------
    image : str
        Name of the image, with or without suffix; where there is only one it may be left out.
    index : tuple of int
        Of the slice; () of an image without slices.
    center : (int, int) or None
        (y, x) around which a part is shown if the slice is large; its middle by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: str = ""
    index: tuple[int, ...] = Field((), max_length=8)
    center: tuple[int, int] | None = None

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read the file; None if there is none, or it says nothing that is understood."""
        with suppress(OSError, ValueError):
            return cls.model_validate_json(path.read_bytes())
        return None

    def write(self, path: Path) -> None:
        """Write the file whole; nothing depends on it, so a failure is passed over."""
        draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
        with suppress(OSError):
            draft.write_bytes(self.model_dump_json().encode())
            draft.replace(path)
