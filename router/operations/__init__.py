"""What an operator may ask of a store and do to it. Knows nothing of HTTP, and nothing of terminals."""
