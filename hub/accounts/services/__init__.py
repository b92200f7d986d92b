"""What can be done to people, organizations and tokens.  One module per subject; all acts are audited."""
