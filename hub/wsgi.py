"""Django's WSGI application: served by ``hub.bridge`` inside the ASGI process, or by any WSGI server for debugging."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hub.settings")

application = get_wsgi_application()
