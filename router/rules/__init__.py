"""Rules: what stands in `rules/*.yml`, compiled, checked and tested."""
