"""The pattern language: parse, match, explain."""
