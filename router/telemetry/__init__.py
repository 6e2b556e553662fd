"""What the router tells of itself: its log."""
