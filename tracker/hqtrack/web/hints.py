"""What the page says that the mouse does."""

from __future__ import annotations

from hqtrack.web.tool_bar import ToolBar


def hint(tools: ToolBar, chosen: str | None, *, begun: bool) -> str:
    """Return what the chosen tool does to an object.

    Args:
        tools: With the chosen one.
        chosen: What the chosen object is called; None for a new one.
        begun: Whether there is any object.
    """
    what = chosen or "a new object"
    does = {
        "box": f"Drag a box around {what}.",
        "point": f"Click on {what}.",
        "paint": f"Draw {what}.",
        "erase": f"Erase what is not {what}." if chosen else "Erase from the object on which you begin.",
    }[tools.tool]
    if tools.tool == "point" and tools.negative:
        does = f"Negative point: click on what is not {what}."
    elif tools.tool == "point" and chosen:
        does += " Right button: on what is not of it. Drag a point to move it, click on it to remove it."
    if not begun:
        return f"{does} Or choose another tool. When all objects have masks, press “Track”."
    return f"{does} N: a new object." if chosen else does
