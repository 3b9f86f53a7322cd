"""The page in the browser: point at things, watch them tracked, correct, go on, export.

`session` is what a person said and what was tracked, `store` the sessions on disk, `tracking` the thread that
tracks, `export` the outputs and the command that repeats a session, `desk` what all pages share, `pictures`
what is shown, `guard` who may see it. `start_page` is where a video is chosen. `page` is a session's page,
made of `canvas` (the frame and its tools; `frame_view` is the frame in the browser, `pointing` what is drawn
on it, `clicking` how clicks make a mask), `time_line` and `panels`; `look` is how all pages look. `server`
puts everything together.
"""
