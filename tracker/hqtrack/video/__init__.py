"""A whole video, from its file and a user's prompts to masks on disk; see `job`."""
