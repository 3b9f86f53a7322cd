"""HQTrack: tracking any objects in a video, in high quality (arXiv 2307.13974)."""
