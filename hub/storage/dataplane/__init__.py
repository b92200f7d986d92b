"""Bytes in and out, beside Django: a small ASGI application on signed URLs and the parts it is made of."""

from hub.storage.dataplane.app import application
from hub.storage.dataplane.downloads import FileMeta, serve_blob, serve_bytes
from hub.storage.dataplane.responses import send_error

__all__ = ["FileMeta", "application", "send_error", "serve_blob", "serve_bytes"]
