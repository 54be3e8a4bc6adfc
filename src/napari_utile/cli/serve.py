"""The command `utile serve`: a result for a viewer in the browser of this machine."""

import json
import signal
import sys
import threading
from typing import Any

from pydantic import BaseModel, Field
from pydantic_settings import CliPositionalArg

from napari_utile.cli.display import DONE, print_warning
from napari_utile.errors import UserError
from napari_utile.events import Warned


class Serve(BaseModel):
    """Show a result in neuroglancer or webKnossos, in the browser of this machine."""

    result: CliPositionalArg[str] = Field(description="A result of utile predict, OME-Zarr")
    viewer: str = Field(
        "neuroglancer",
        description="neuroglancer, webknossos, or the address of a neuroglancer: the only web "
        "page that may read",
    )
    port: int = Field(0, ge=0, le=65535, description="Of the server; 0: any that is free")
    json_: bool = Field(False, alias="json", description="Print the link as JSON")

    def run(self) -> int:
        from napari_utile.results.serving import FolderServer
        from napari_utile.results.viewers import origin_of, served_result, viewer_page

        page = viewer_page(self.viewer)
        served = served_result(self.result)
        for doubt in served.doubts:
            print_warning(Warned(message=doubt))
        try:
            server = FolderServer(served.folders, origin_of(page), self.port)
        except OSError as error:
            said = error.strerror or error
            raise UserError(f"Port {self.port} cannot be used: {said}.") from None
        with server:
            self._print_links(page, server.address, served.layers)
            _serve_until_stopped(server)
        return DONE

    def _print_links(self, page: str, address: str, layers: Any) -> None:
        from napari_utile.results.viewers import addresses, neuroglancer_link

        links: dict[str, Any] = {"addresses": addresses(address, layers)}
        if self.viewer != "webknossos":
            links = {"link": neuroglancer_link(page, address, layers), **links}
        if self.json_:
            print(json.dumps(links, indent=2), flush=True)
            return
        if "link" in links:
            print(links["link"], flush=True)
        else:
            for name, url in links["addresses"].items():
                print(f"{name}: {url}", flush=True)
        print("Ctrl-C ends the server.", file=sys.stderr)


def _serve_until_stopped(server: Any) -> None:
    """Serve until Ctrl-C or a termination signal."""

    def end(*_: Any) -> None:  # from another thread: the signal interrupts the one that serves
        threading.Thread(target=server.shutdown, daemon=True).start()

    previous = {
        number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        server.serve_forever(poll_interval=0.2)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
