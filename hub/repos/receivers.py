"""Receivers: one line each; they enqueue or call a service.  Nothing below this package sends signals to it."""
