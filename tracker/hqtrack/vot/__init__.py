"""HQTrack inside the VOT toolkit."""
