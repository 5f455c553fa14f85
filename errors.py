"""The errors that LUX raises on purpose; each knows the status and the sentence that its reader gets."""

from __future__ import annotations


class LuxError(Exception):
    """Something that LUX says on purpose. `status` is the HTTP status, `title` a short name of the kind."""

    status = 500
    title = "Something went wrong"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class SettingInvalid(LuxError):
    """A setting has a value that LUX cannot start with."""

    title = "Wrong setting"

    def __init__(self, setting: str, complaint: str) -> None:
        super().__init__(f"{setting} {complaint}")
        self.setting = setting


class StartRefused(LuxError):
    """LUX cannot start here; the detail says why in one sentence."""

    title = "Not started"


class NotFound(LuxError):
    """The thing asked for does not exist, or not for this person."""

    status = 404
    title = "Not found"


class NotAllowed(LuxError):
    """The person is known and may not do this."""

    status = 403
    title = "Not allowed"


class InputInvalid(LuxError):
    """Input that cannot be used. `fields` maps each field's name to its sentence."""

    status = 422
    title = "Check the input"

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(" ".join(fields.values()))
        self.fields = fields


class Conflict(LuxError):
    """The thing has changed or is in a state that does not allow this."""

    status = 409
    title = "Not possible now"


class TooMany(LuxError):
    """A limit is reached. `retry_after_seconds` says when to come again."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(LuxError):
    """A part that this needs is not there at the moment."""

    status = 503
    title = "Not available at the moment"


class ModelUnavailable(Unavailable):
    """The language model gives no usable answer; the detail says why, playbooks go on."""

    title = "The model is not available"
