"""What can be done to repos: one module per subject; views of all surfaces call these."""
