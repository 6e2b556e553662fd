"""What was accepted, where it must go, and what became of it: the protocol and its implementations."""
