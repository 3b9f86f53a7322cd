"""Running trackers at scale, and what is shown of the results."""
