"""One run over many users: waves, resuming, what is published and reported."""
