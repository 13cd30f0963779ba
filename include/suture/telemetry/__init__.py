"""Reading metrics: a Prometheus client, and traffic counted from its counters."""

from suture.telemetry.prometheus import Prometheus, PrometheusError, Sample, Series
from suture.telemetry.traffic import TrafficQueries, observe

__all__ = ["Prometheus", "PrometheusError", "Sample", "Series", "TrafficQueries", "observe"]
