"""Agora: a model hub that anyone can run."""

from hub.celery import app as celery_app

__all__ = ["celery_app"]
