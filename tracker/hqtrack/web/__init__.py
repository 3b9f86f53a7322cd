"""The page in the browser: select objects, track them, correct masks, export the results.

`session` is the objects, corrections and tracked masks of a video: `objects` holds what a person gave,
`plan` compares it with what was tracked, `saved` is its file. `store` is the sessions on disk, `uploads`
what becomes one, `preferences` what a browser remembers, `tracking` the thread that tracks, `export` the
outputs and the command that repeats a session, `service` what all pages share, `pictures` frames as
they are shown, `outlines` the masks that the browser draws over them, `guard` who may see them. `start_page`
is where a video is chosen. `page` is a session's page, made of `canvas` (the frame, with its `tool_bar` and
`hints`; `frame_view` is the frame in the browser, `pointing` the shapes that the mouse draws, `clicking` how
clicks make a mask, `preview` where one is shown before), `time_line`, `object_list`, `correction_list` and
`export_panel`; `styling` holds colours and style. `server` puts everything together.
"""
