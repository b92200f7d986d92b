"""The HTTP surface of hosted inference: pure ASGI beside Django in the web process; no ORM on the event loop."""
