"""What one sees while something long is under way: in a terminal, a pipe, a notebook."""
