"""The page in the browser: select objects, track them, correct masks, export the results.

`state` is the objects, corrections and tracked masks of a video, `session` changes them: `objects` holds
what a person gave, `changes` what may be done with it, `history` undoes it, `identities` swaps and merges
objects, `plan` compares it with what was tracked, `backwards` is what was tracked before objects begin,
`saved` is its file. `store` is the sessions on disk with their small pictures (`poster`), `uploads` what
becomes one (`uploading` sends it), `imports` masks of other tools, `preferences` what a browser remembers,
`settings` with what is tracked, `models` the cards, `tracking` the thread that tracks, `export` the
outputs, `command` what repeats a session, `service` what all pages share, `pictures` frames as they are
shown, `encoded` those made ahead, `outlines` the masks that the browser draws over them, `guard` who may
see them. `start_page` is where a video is chosen. `page` is a session's page, made of `canvas` (the frame,
with its `tool_bar` and `hints`; `frame_view` is the frame in the browser, `pointing` the shapes that the
mouse draws, `clicking` how clicks make a mask, `preview` where one is shown before), `time_line`,
`course_dialog`, `model_panel`, `object_list`, `import_panel`, `correction_list` and `export_panel`;
`progress_text` says how far tracking is, `styling` holds colours and style. `server` puts everything
together.
"""
