"""A whole video: from its file and what a user says about objects to masks on disk; `job` puts it together."""
