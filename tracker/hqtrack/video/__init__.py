"""A whole video, from its file and what a user says of its objects to masks on disk; see `job`."""
