"""The tools with which a person points at objects, and how masks look."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from nicegui import ui

from hqtrack.images import Size
from hqtrack.video.drawing import MASK_OPACITY
from hqtrack.web.pointing import Tool
from hqtrack.web.styling import keep_arrows, press

TOOLS: dict[Tool, tuple[str, str, str]] = {
    "box": ("Box", "crop_free", "b"),
    "point": ("Point", "ads_click", "p"),
    "paint": ("Draw", "brush", "d"),
    "erase": ("Erase", "auto_fix_normal", "e"),
}
"""Label, icon and key of each."""


class ToolBar:
    """The chosen tool, its brush, and how masks look.

    Args:
        size: Height and width of the frames.
        on_tool: Called when tool, brush or the sign of points changes.
        on_look: Called when masks are to look otherwise.
    """

    def __init__(self, size: Size, on_tool: Callable[[], Any], on_look: Callable[[], Any]) -> None:
        self.tool: Tool = "box"
        self.brush = max(4, round(min(size) / 20))
        """Its width in pixels of the frame."""
        self._widest = max(8, min(size) // 4)
        self.negative = False
        """True where points are not on the object, as with the right button."""
        self._on_tool = on_tool
        with ui.row().classes("items-center gap-x-3 gap-y-1 w-full"):
            with ui.row().classes("gap-1"):
                self._buttons = {}
                for tool, (label, icon, key) in TOOLS.items():
                    button = ui.button(label, icon=icon, on_click=partial(self.choose, tool))
                    self._buttons[tool] = button.props("dense no-caps padding='4px 8px'").tooltip(key.upper())
            self._minus = ui.button("Negative point", icon="remove", on_click=self.toggle_negative)
            self._minus.props("dense no-caps padding='4px 8px' color=negative")
            self._minus.tooltip("The next points are not on the object, as with the right button (X)")
            with ui.row(wrap=False).classes("items-center gap-2") as self._brush_row:
                ui.label("Brush")
                self._size = ui.slider(min=1, max=self._widest, value=self.brush).classes("w-28")
                self._size.props('aria-label="Size of the brush in pixels"')
                self._size.on_value_change(lambda event: self.resize_brush(int(event.value)))
                keep_arrows(self._size)
            ui.space()
            with ui.row(wrap=False).classes("items-center gap-2"):
                self._masks = ui.switch("Masks", value=True, on_change=on_look)
                self._opacity = ui.slider(min=0, max=100, value=round(MASK_OPACITY * 100), on_change=on_look)
                self._opacity.classes("w-24").props('aria-label="Opacity of the masks in percent"')
                self._opacity.tooltip("Opacity; 0 shows outlines only")
                keep_arrows(self._opacity)
        self._show()

    @property
    def masks_shown(self) -> bool:
        """True where masks are shown."""
        return bool(self._masks.value)

    @property
    def opacity(self) -> int:
        """Of the masks, in percent; 0 draws outlines only."""
        return int(self._opacity.value)

    def choose(self, tool: Tool) -> None:
        """Take another tool."""
        self.tool = tool
        self._show()
        self._on_tool()

    def toggle_negative(self) -> None:
        """Have points take away, or add again."""
        self.negative = not self.negative
        self._show()
        self._on_tool()

    def _show(self) -> None:
        for name, button in self._buttons.items():
            press(button, name == self.tool)
        press(self._minus, self.negative)
        self._minus.set_visibility(self.tool == "point")
        self._brush_row.set_visibility(self.tool in ("paint", "erase"))

    def resize_brush(self, pixels: int) -> None:
        """Take a brush of another width."""
        self.brush = min(max(1, pixels), self._widest)
        self._size.value = self.brush
        self._on_tool()

    def widen_brush(self, factor: float) -> None:
        """Take a brush that is wider, or narrower, by at least a pixel."""
        changed = round(self.brush * factor)
        self.resize_brush(changed if changed != self.brush else self.brush + (1 if factor > 1 else -1))

    def show_masks(self, shown: bool) -> None:
        """Show the masks, or hide them."""
        self._masks.value = shown

    def toggle_masks(self) -> None:
        """Show or hide the masks."""
        self._masks.value = not self._masks.value
