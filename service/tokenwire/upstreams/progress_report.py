"""Reports the stages of a request to callers that ask for them."""

from tokenwire.core.call_record import CallRecord
from tokenwire.core.domain import Delta, Stage


class StageReports:
    """The reports of one call's stages.

    Args:
        call: The record of the call.
        show: Whether the caller asks for them.
    """

    def __init__(self, call: CallRecord, *, show: bool) -> None:
        self._call = call
        self._show = show

    def report(self, stage: Stage | None) -> list[Delta]:
        """Return the report of a stage, or nothing if this stage or a later one was reported."""
        # A retry begins at the first stage again.
        if not (stage and self._show) or self._call.stage in (stage, Stage.THINKING):
            return []
        self._call.stage = stage
        return [Delta("", 0, stage=stage)]
