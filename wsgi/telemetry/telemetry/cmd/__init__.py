"""The commands: telemetry-api, telemetry-upgrade, telemetry-expirer, telemetry-collector, telemetry-migrate-storage."""
