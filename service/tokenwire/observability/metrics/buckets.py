"""The upper bounds of the histogram buckets.

They follow OpenTelemetry's GenAI conventions and the gRPC ecosystem, with additional bounds at
the top for long streams and at the bottom for the service's own small overhead.
"""

from typing import Final

FIRST_TOKEN: Final = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 60.0, 120.0),
)
"""Seconds; 2.5 is the objective for the time to the first token."""

ABANDONED: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0)
"""Seconds; 2.5 is the objective for the time to the first token."""

OUTPUT_TOKEN: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15),
    *(0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Seconds."""

DURATION: Final = (
    *(0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12),
    *(10.24, 20.48, 40.96, 81.92, 163.84, 327.68, 655.36, 1310.72),
)
"""Seconds."""

HANDLING: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    *(30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0),
)
"""Seconds."""

OVERHEAD: Final = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5),
)
"""Seconds."""

QUEUE: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds; 0.02 is the default of TOKENWIRE_QUEUE_TIMEOUT_SECONDS."""

ACCEPT_WAIT: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Seconds."""

LAG: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds."""

TOKENS: Final = tuple(float(4**power) for power in range(14))
"""Tokens."""

LIMIT_STORE: Final = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
"""Seconds; after 0.25 the store of limits counts as away."""
