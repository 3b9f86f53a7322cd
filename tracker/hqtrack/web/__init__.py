"""The page in the browser: point at things, watch them tracked, correct, go on, export.

`session` is what a person said and what was tracked, `store` the sessions on disk, `tracking` the thread that
tracks, `export` the outputs and the command that repeats a session, `pictures` what is shown, `guard` who may
see it, `page` the page itself, and `server` puts them together.
"""
