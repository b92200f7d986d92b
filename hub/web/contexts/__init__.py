"""What each page is given: a dataclass per page, filled by functions that read and never write."""
