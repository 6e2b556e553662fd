"""Senders repeat what they got no answer for: a second try is answered like the first, and goes nowhere."""
