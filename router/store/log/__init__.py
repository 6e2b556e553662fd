"""Segments of the store as files that are only appended to: the format, who writes it, who reads it."""
