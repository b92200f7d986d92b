"""Pages of reviews, under the address of a repo; included by ``hub.web.urls``."""

from __future__ import annotations

from typing import Any, Final

from hub.web.views import reviews

#: Route below the repo, view, name.
OF_REPO: Final[tuple[tuple[str, Any, str], ...]] = (
    ("/reviews", reviews.review_list, "reviews"),
    ("/reviews/write", reviews.write, "review_write"),
    ("/reviews/<str:review_id>", reviews.review_page, "review"),
    ("/reviews/<str:review_id>/helpful", reviews.helpful, "review_helpful"),
    ("/reviews/<str:review_id>/reply", reviews.reply, "review_reply"),
    ("/reviews/<str:review_id>/delete", reviews.delete, "review_delete"),
)
