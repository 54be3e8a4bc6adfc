"""The options of training by subject, as the panels fold them away."""

MAIN = ("recipe", "network", "target", "minutes", "steps", "w0", "sigma")
"""Always visible."""

GROUPS = {
    "Labels and validation": (
        "ignore", "sparse", "validation_share", "split", "validations_per_run", "patience",
    ),
    "Network": ("depth", "width", "padding", "norm", "dropout", "output"),
    "Tiles and augmentation": (
        "tile", "batch", "sampling", "elastic", "rotation", "deformed", "flips", "gray",
    ),
    "Learning": (
        "optimizer", "learning_rate", "momentum", "weight_decay", "schedule", "class_balance",
    ),
}  # fmt: skip
"""Folded away. What is in none of them is under "More"."""
