"""Where deliveries go: the kinds of target, and the registry that finds them."""
