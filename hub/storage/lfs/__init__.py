"""Large files by sha256: pointers, objects and transfers."""
