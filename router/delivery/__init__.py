"""From committed events to targets: when to try, when to try again, when to give up."""
