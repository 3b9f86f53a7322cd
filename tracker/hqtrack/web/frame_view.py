"""The element that shows a frame in the browser, and reports what is drawn on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nicegui import events, ui

from hqtrack.web.pointing import Drag, Point, Tool
from hqtrack.web.styling import change_properties

SignedPoint = tuple[float, float, bool]
"""x, y, and whether it is on the object."""


class FrameView(ui.element, component="frame_view.js"):
    """A frame to point at, by mouse, pen, finger or keyboard; zooming and panning stay in the browser.

    The player that is put into it covers the frame while it plays.

    Args:
        size: Height and width of the frames.
        on_press: Called when something begins to be drawn.
        on_pan: Called when the frame begins to be moved.
        on_drawn: Called with a box, stroke or point that was finished.
        on_point: Called with a point's index and new place, or None where it is removed.
        on_hover: Called with the point over which the mouse rests with the tool "point"; `preview` answers.
    """

    def __init__(
        self,
        size: tuple[int, int],
        *,
        on_press: Callable[[], Any],
        on_pan: Callable[[], Any],
        on_drawn: Callable[[Drag], Any],
        on_point: Callable[[int, Point | None], Any],
        on_hover: Callable[[Drag], Any],
    ) -> None:
        super().__init__()
        height, width = size
        self.props.update({"width": width, "height": height, "points": []})
        self.show(0, "", "", "")
        self.on("press", lambda: on_press())
        self.on("pan", lambda: on_pan())

        def drag_of(event: events.GenericEventArguments) -> Drag:
            values = event.args
            path = [(float(x), float(y)) for x, y in values["path"]]
            return Drag(int(values["frame"]), path, add=bool(values["add"]), exclude=bool(values["exclude"]))

        def pointed(event: events.GenericEventArguments) -> Any:
            place = event.args["place"]
            return on_point(int(event.args["index"]), place and (float(place[0]), float(place[1])))

        self.on("drawn", lambda event: on_drawn(drag_of(event)))
        self.on("hover", lambda event: on_hover(drag_of(event)))
        self.on("point", pointed)

    def show(self, frame: int, source: str, masks: str, label: str) -> None:
        """Show a frame and its masks, from where the browser finds both."""
        self.props.update({"frame": frame, "src": source, "masks": masks, "label": label})

    def set_playing(self, playing: bool) -> None:
        """Show the player over the frame, or the frame again as soon as it is loaded."""
        change_properties(self, playing=playing)

    def fit_into(self, width: str) -> None:
        """Show whole frames in a width, as CSS has it."""
        change_properties(self, fitted=width)

    def look(self, looks: dict[str, Any]) -> None:
        """Draw masks as chosen.

        Args:
            looks: "masked", whether they are drawn; "opacity" in percent; "hidden", the objects that are not
                drawn; "chosen", the one that stands out, 0 for none.
        """
        change_properties(self, **looks)

    def preview(self, path: str) -> None:
        """Show the mask that a click would make, an SVG path; nothing where it is empty."""
        self.run_method("answer", path)

    def use(self, tool: Tool, brush: int, *, negative: bool) -> None:
        """Draw with a tool; strokes have the brush's width in pixels of the frame; points may be negative."""
        self.props.update({"tool": tool, "brush": brush, "negative": negative})

    def show_points(self, points: Sequence[SignedPoint]) -> None:
        """Show the points of which a mask was made."""
        change_properties(self, points=[list(point) for point in points])

    def fit(self) -> None:
        """Show the whole frame."""
        self.run_method("fit")
