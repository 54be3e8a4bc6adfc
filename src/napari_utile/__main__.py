"""`python -m napari_utile` is the command `utile`."""

from napari_utile.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
