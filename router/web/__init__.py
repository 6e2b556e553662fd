"""The HTTP side: senders come in here."""
