"""Traces and metrics of commands, over OpenTelemetry's protocol. Loaded only where its variables are set."""
