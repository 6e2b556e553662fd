"""The clouds' request signatures: each algorithm in one module, to make and to verify. Pure."""
