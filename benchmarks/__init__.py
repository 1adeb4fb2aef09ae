"""Benchmarks: wfdeploy beside a naive script on the same work, on one machine. `python -m benchmarks --help`."""
