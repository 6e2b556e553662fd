"""Traffic through real processes on loopback: what `benchmarks.routing` is made of."""
