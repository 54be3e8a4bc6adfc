"""The command `utile mesh`: labels in, a surface for each object out."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import CliPositionalArg

from napari_utile.cli.display import report


class MeshCommand(BaseModel):
    """Write the surfaces of objects as triangles, x y z in um, for other programs."""

    labels: CliPositionalArg[str] = Field(description="A result of utile predict, or labels")
    out: Path = Field(description="Folder to write to, a file for each object")
    ids: str = Field("all", description="Objects, such as 3,7; or all")
    format: Literal["ply", "obj"] = Field("ply", description="Of the files")
    step: int = Field(1, ge=1, description="Look at every n-th pixel along each axis")
    smooth: int = Field(
        0, ge=0, description="Move vertices to the mean of their neighbours so many times"
    )
    overwrite: bool = Field(False, description="Overwrite existing output")
    events: bool = Field(
        False, description="Print one JSON line per event; `stop` on stdin stops"
    )
    json_: bool = Field(False, alias="json", description="Only the end of the run, as JSON")

    @field_validator("ids")
    @classmethod
    def _refuse_no_ids(cls, ids: str) -> str:
        if ids != "all" and not all(part.strip().isdigit() for part in ids.split(",")):
            raise ValueError(f"{ids!r} are no ids; write them like 3,7, or all")
        return ids

    def run(self) -> int:
        from napari_utile.results.mesh_files import write_meshes

        ids = None if self.ids == "all" else sorted({int(part) for part in self.ids.split(",")})
        run = write_meshes(
            self.labels, self.out, ids, self.format, self.step, self.smooth, self.overwrite
        )
        return report(run, self.events, self.json_)
