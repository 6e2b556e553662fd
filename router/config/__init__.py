"""Configuration: YAML with the place of everything in it, and every problem at once."""
