"""What is asked and what it costs: charged, counted, priced, traced."""
