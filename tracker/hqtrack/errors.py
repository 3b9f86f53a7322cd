"""Errors that users see: each message says what was wrong, with which value, and what to do."""


class HQTrackError(Exception):
    """Base of every error that HQTrack raises on purpose."""


class InputError(HQTrackError, ValueError):
    """An image, mask, prompt or option that cannot be used."""


class StateError(HQTrackError, RuntimeError):
    """A call that does not fit the tracker's state, such as `track` before `initialize`."""


class CardError(HQTrackError, ValueError):
    """A model card that is unknown or not valid."""


class WeightsError(HQTrackError, RuntimeError):
    """Weights that are missing, damaged, or of another network."""


class DataError(HQTrackError, ValueError):
    """A dataset, workspace or video that cannot be read."""
