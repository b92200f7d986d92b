"""What people do: one module per subject."""
