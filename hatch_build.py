"""Puts the plugin manifest where napari looks: inside the importable package.

The one real file is `napari.yaml` at the top of the project. A wheel gets it as
`napari_utile/napari.yaml`; an editable install imports the package from `src`, so there
the file is linked, or copied where links are not allowed. Git ignores the link.
"""

import shutil
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManifestHook(BuildHookInterface):
    """Ship `napari.yaml` with the package, in every kind of install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the manifest to the build; `version` is "standard" or "editable"."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        if version == "editable":
            link(root / "napari.yaml", root / "src" / "napari_utile" / "napari.yaml")
        else:
            build_data["force_include"]["napari.yaml"] = "napari_utile/napari.yaml"


def link(manifest: Path, place: Path) -> None:
    """Make `place` show `manifest`, by a relative link or else by a copy."""
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(Path("..", "..", manifest.name))
    except OSError:  # Windows without developer mode, some network drives
        shutil.copyfile(manifest, place)
