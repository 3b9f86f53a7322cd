"""Colours, style and small elements that all pages share, and how they show errors."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from hqtrack.web.tracking import message_of

PRIMARY_COLOUR = "#255d99"
"""White on it, and it on white, can be read: their contrast is 6.7; 5.3 on a button with the focus."""

DARK_STYLE = """@layer quasar_importants {
  .nicegui-link:not(.text-white) { color: #255d99 !important }
  .body--dark .text-primary, .body--dark .nicegui-link:not(.text-white) { color: #90cdf4 !important }
  .body--dark .text-negative { color: #ff8a80 !important }
}"""
"""On black the first colours are too dark to be read, and links would be too pale on white."""


COLUMN_STYLE = """
html { scroll-padding-top: 64px }
.q-loading-bar { display: none }
@media (prefers-reduced-motion: reduce) { * { transition: none !important; animation: none !important } }
.hq-columns { display: flex; gap: 16px; width: 100%; align-items: flex-start }
.hq-work { flex: 1 1 0; min-width: 0; position: sticky; top: 60px }
.hq-side { flex: 0 0 21rem; min-width: 0 }
.hq-objects { max-height: max(8.5rem, calc(100vh - 33.5rem)); overflow-y: auto; flex-wrap: nowrap }
.hq-pick .q-btn__content { flex-wrap: nowrap }
.hq-swatch { flex: none; width: 24px; height: 24px; padding: 0; border: 0; background: none }
.hq-swatch { appearance: none; cursor: pointer }
.hq-swatch::-webkit-color-swatch-wrapper { padding: 2px }
.hq-swatch::-webkit-color-swatch { border: 0; border-radius: 50% }
.hq-swatch::-moz-color-swatch { border: 0; border-radius: 50% }
.q-tooltip { background: #424242 !important }
.hq-thumbnail { width: 32px; height: 32px; border-radius: 3px }
.hq-chosen { background: color-mix(in srgb, currentColor 5%, transparent) }
.hq-chosen { box-shadow: inset -3px 0 currentColor }
.hq-command pre, .hq-command code { white-space: pre-wrap !important; overflow-wrap: anywhere }
.hq-drop { padding: 24px; border: 2px dashed currentColor; border-radius: 8px; width: 100% }
@media (min-width: 2200px) { .hq-side { flex-basis: 28rem } }
@media (max-width: 900px) {
  .hq-columns { flex-direction: column; align-items: stretch }
  .hq-work, .hq-side { flex: none; width: 100%; position: static }
  .hq-objects { max-height: none }
  .q-notifications__list--bottom.items-end { top: 0; bottom: auto; align-items: center }
}
"""
"""Where there is little width, what is next to the frame comes below it, and messages come above it. Else the
frame stays in place while the side is scrolled."""

HEAD_SCRIPT = """<script>
document.documentElement.lang = 'en';
const isTyped = (it) => it && it.closest && it.closest('input, textarea, [contenteditable=true]');
document.addEventListener('pointerup', () => {
  const it = document.activeElement;
  if (it && it.closest('button, .q-slider')) it.blur();
}, true);
document.addEventListener('focusin', ({ target }) => {
  if (target.closest('.q-focus-helper')) target.blur();
}, true);
document.addEventListener('keydown', (event) => {
  const undoes = (event.ctrlKey || event.metaKey) && ['z', 'y'].includes(event.key.toLowerCase());
  if (undoes && !isTyped(event.target)) event.preventDefault();
}, true);
</script>"""
"""After a click the keys are the page's again, at once: a key may come before any timer. Who moves by Tab
keeps the focus. Quasar focuses a helper within a button that was clicked, also after its dialog: space would
press that button. The browser's own undo would change the text field in which something was typed last, even
without focus."""


def change_properties(element: ui.element, **values: object) -> None:
    """Set properties of an element where one differs: each change is sent to the browser."""
    if any(element.props.get(name) != value for name, value in values.items()):
        element.props.update(values)


def paint_page(dark: bool | None) -> ui.dark_mode:
    """Add a page's colours; returns what makes it light or dark, which is as the system has it for None."""
    ui.colors(primary=PRIMARY_COLOUR)
    ui.add_css(DARK_STYLE + COLUMN_STYLE)
    ui.add_head_html(HEAD_SCRIPT)
    return ui.dark_mode(dark)


def heading(text: str, level: int) -> ui.label:
    """Add a heading."""
    return ui.label(text).props(f"role=heading aria-level={level}")


def icon_button(icon: str, label: str, action: Any) -> ui.button:
    """Add a button of which only an icon is seen."""
    button = ui.button(icon=icon, on_click=action).props("flat round dense")
    button.props["aria-label"] = label  # which may hold quotes
    return button.tooltip(label)


def press(button: ui.button, pressed: bool) -> None:
    """Show a button as the chosen one of several, or not."""
    button.props(f"aria-pressed={str(pressed).lower()}")
    button.props(remove="outline") if pressed else button.props("outline")


def keep_arrows(slider: ui.element) -> None:
    """Keep arrow keys in a slider to the slider; all other keys stay the page's."""
    slider.on("keydown", js_handler="(event) => event.key.startsWith('Arrow') && event.stopPropagation()")


def show_error(error: Exception) -> None:
    """Show an error until it is closed, or long enough to be read."""
    close = {"label": "Close", "color": "white"}
    ui.notify(message_of(error), type="negative", actions=[close], timeout=8000, position="bottom-right")


def show_note(text: str) -> None:
    """Show a note for some seconds, where it covers neither frame nor time line."""
    ui.notify(text, position="bottom-right")
