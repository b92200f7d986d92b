"""How the demo's own small models were made, so that anyone can make them again."""
