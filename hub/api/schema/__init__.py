"""The document of the API, OpenAPI 3.1: routes come from the URLconf, words and shapes from the tables here.

URLconf + tables of described views → ``document`` (drf-spectacular turns serializers into schemas) → JSON, YAML, page

Each table describes the views of one family, by view. A route whose view is in no table fails the build.
"""
