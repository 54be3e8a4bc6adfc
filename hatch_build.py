"""Puts the plugin manifest where napari looks, inside the importable package, and the docs.

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
            shipped = build_data["force_include"]
            shipped["napari.yaml"] = "napari_utile/napari.yaml"
            shipped |= {str(page): f"napari_utile/docs/{page.name}" for page in pages(root)}


def pages(root: Path) -> list[Path]:
    """Return the files that the question marks of the panels show: pages and their pictures."""
    texts = sorted(root.glob("docs/*.md"))
    told = "".join(text.read_text(encoding="utf-8") for text in texts)
    return texts + [path for path in sorted(root.glob("docs/*.png")) if path.name in told]


def link(manifest: Path, place: Path) -> None:
    """Make `place` show `manifest`, by a relative link or else by a copy."""
    place.unlink(missing_ok=True)
    try:
        place.symlink_to(Path("..", "..", manifest.name))
    except OSError:  # Windows without developer mode, some network drives
        shutil.copyfile(manifest, place)
