"""Benchmarks: each prints ratios to a named limit that is measured in the same run. `python -m bench` runs all of them."""
