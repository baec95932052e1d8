"""Talking to chat models: requests, their limits and cache, prompts, and reading what comes back."""
