"""`hqtrack web`: the page in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hqtrack.cli.tracker_options import (
    BackendOption,
    CardOption,
    DeviceOption,
    MaxLongEdgeOption,
    PrecisionOption,
    WeightsOption,
    card_from_anywhere,
)
from hqtrack.defaults import DEFAULT_CARD
from hqtrack.errors import InputError, require

if TYPE_CHECKING:
    from hqtrack.tracker import HQTrack, Precision
    from hqtrack.video.mask_maker import MaskMaker

NETWORK_PANEL = "Network"


def web(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="[INPUT]",
            help="A video, or a folder of videos and images. Nothing outside it can be opened.",
        ),
    ] = Path("."),
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the sessions, which can be resumed.")
    ] = Path("hqtrack-web"),
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; all but this machine's own need a password.",
            rich_help_panel=NETWORK_PANEL,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port. 0 picks a free one.", rich_help_panel=NETWORK_PANEL)
    ] = 8090,
    max_upload: Annotated[
        int, typer.Option(min=1, help="Upload limit for a session, in MB.", rich_help_panel=NETWORK_PANEL)
    ] = 2048,
    browse: Annotated[bool, typer.Option(help="Open a browser.", rich_help_panel=NETWORK_PANEL)] = True,
    card: CardOption = DEFAULT_CARD,
    weights: WeightsOption = None,
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    max_long_edge: MaxLongEdgeOption = None,
    backend: BackendOption = None,
) -> None:
    """Open a page in the browser: select objects, track them, correct masks, export the results.

    Only this machine can open the page, unless --host names another address. Then it needs a password.
    Everything is stored in the folder of the sessions, and can be resumed.

    Examples:

      hqtrack web clip.mp4

      hqtrack web videos/ --out sessions --card hqtrack --device cuda
    """
    require("nicegui")
    if not source.is_file() and not source.is_dir():
        raise InputError(f"{source}: no such video or folder")
    from hqtrack.web.server import Options, serve
    from hqtrack.web.settings import Settings
    from hqtrack.zoo import load_card

    settings = Settings(
        card=card_from_anywhere(card),
        weights=None if weights is None else str(weights.resolve()),
        device=device,
        precision=precision,
        max_long_edge=max_long_edge,
        backend=backend,
    )

    load_card(settings.card)  # a wrong one is better known before the page is there

    def build(settings: Settings) -> tuple[HQTrack, MaskMaker]:
        from hqtrack.tracker import HQTrack
        from hqtrack.video.mask_maker import MaskMaker

        tracker = HQTrack.from_card(
            settings.card,
            weights=settings.weights,
            device=settings.device,
            precision=cast("Precision", settings.precision),  # which it checks
            max_long_edge=settings.max_long_edge,
            backend=settings.backend,
        )
        return tracker, MaskMaker.beside(tracker)

    options = Options(
        root=source, folder=out, host=host, port=port, upload_limit=max_upload << 20, settings=settings
    )
    serve(options, build, report=lambda line: typer.echo(f"hqtrack: {line}", err=True), browse=browse)
