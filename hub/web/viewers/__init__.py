"""Previews of files, each strictly bounded in bytes, rows and time (T93); what fails says "cannot preview".

entry → ``preview`` → ``Preview(kind, template, …)`` → templates/repos/viewers/<kind>.html
"""

from hub.web.viewers.choice import Preview, preview

__all__ = ["Preview", "preview"]
