"""Wire shapes: functions from rows and values to the JSON that clients read (hub-api §7, §11)."""
