"""Usage records: what each call used, for billing, in a file that survives the process."""

from tokenwire.observability.usage.recorder import UsageRecorder

__all__ = ["UsageRecorder"]
