"""Senders repeat what they got no answer for: a second try is answered like the first, and goes nowhere."""

from router.compiled import place

__path__.insert(0, str(place(__name__)))  # searched before the sources
