"""Reading metrics: a Prometheus client, traffic counted from its counters, and what an incident did to
requests.
"""

from suture.telemetry.impact import RequestLogError, impact_from_counters, impact_from_log
from suture.telemetry.prometheus import Prometheus, PrometheusError, Sample, Series
from suture.telemetry.traffic import TrafficQueries, observe

__all__ = [
    "Prometheus",
    "PrometheusError",
    "RequestLogError",
    "Sample",
    "Series",
    "TrafficQueries",
    "impact_from_counters",
    "impact_from_log",
    "observe",
]
