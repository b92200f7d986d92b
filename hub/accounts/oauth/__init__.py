"""Sign-in for other programs: an OAuth 2.0 and OpenID provider on django-allauth's and oauthlib's parts (hub-api §5).

Access tokens are rows of ``AccessToken`` and pass the one authentication path like all others.
"""
