"""Where targets may be, and how they are reached: vetted addresses, pinned connections, TLS, proxies."""
