"""What the ids of labels mean, for the panels in which they are painted."""

from pydantic import Field

from napari_utile.settings.checked import Settings
from napari_utile.settings.options import SHOWN, Ignore, Sparse, Target


class LabelSettings(Settings):
    """What the ids of one labels layer mean; a training has the same options."""

    target: Target = "instances"
    sparse: Sparse = Field(False, json_schema_extra=SHOWN)
    ignore: Ignore = Field(None, json_schema_extra=SHOWN)

    @property
    def background(self) -> int:
        """The id of background."""
        return int(self.sparse)

    @property
    def first(self) -> int:
        """The lowest id of an object or a class that is not background."""
        return self.background + 1
