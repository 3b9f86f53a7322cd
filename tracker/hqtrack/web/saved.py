"""The file of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AliasChoices, BaseModel, Field

from hqtrack.errors import DataError
from hqtrack.images import Size
from hqtrack.web.backwards import Backwards
from hqtrack.web.identities import Identities
from hqtrack.web.objects import SessionObjects
from hqtrack.web.plan import Tracked

SESSION_FILE = "session.json"


class Saved(BaseModel):
    """`session.json`."""

    owner: str
    source: str
    title: str
    size: Size
    count: int
    objects: Annotated[SessionObjects, Field(validation_alias=AliasChoices("objects", "things"))]
    tracked: Tracked
    identities: Identities = ()
    backwards: Backwards = Backwards()
    card: str = ""
    device: str = ""
    seconds: float | None = None
    """Length of the video; None: not known."""

    @classmethod
    def read(cls, folder: Path) -> Saved:
        """Read a session's file.

        Raises:
            DataError: It is damaged or missing.
        """
        file = folder / SESSION_FILE
        try:
            return cls.model_validate_json(file.read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(f"{file}: cannot be read; remove the folder to start over") from error
