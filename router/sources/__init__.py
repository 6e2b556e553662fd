"""One module a sender: it reads that sender's requests and answers in its dialect."""
