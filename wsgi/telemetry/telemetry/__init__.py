"""The Telemetry v2 API: meters, samples, statistics, resources, alarms and events over HTTP."""
