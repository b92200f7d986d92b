"""Starting and keeping the processes of one installation; knows commands and signals, nothing of the hub."""
