"""How an HTTP target says who it is: `auth:`."""
