"""The Hub protocol: routes, wire shapes and errors that huggingface_hub and its kin know.  Decides nothing."""
