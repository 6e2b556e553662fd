"""A durable rule router for cloud events: Amazon EventBridge's rules on your own machine."""

__version__ = "0.1.0"
