"""The only place that runs git: bare repositories by path; knows no user and no `Repo` row."""
