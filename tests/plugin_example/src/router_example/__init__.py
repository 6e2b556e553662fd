"""Two kinds for rule-router: the target `mail` and the source `github`."""
