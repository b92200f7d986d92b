"""Routes of reports, the moderators' queues, one's own cases, blocks and the rules; included by ``hub.web.urls``."""

from __future__ import annotations

from django.urls import path

from hub.web.views import conduct, moderation, my_cases

urlpatterns = [
    path("conduct", conduct.conduct, name="conduct"),
    path("-/announcement", conduct.put_away, name="announcement_put_away"),
    path("report", my_cases.report, name="report"),
    path("settings/moderation", my_cases.own, name="settings_moderation"),
    path("settings/moderation/<str:measure_id>/appeal", my_cases.appeal, name="settings_moderation_appeal"),
    path("settings/blocks", my_cases.blocks, name="settings_blocks"),
    path("moderation", moderation.reports, name="moderation"),
    path("moderation/cases/<str:kind>/<str:target_id>", moderation.case, name="moderation_case"),
    path("moderation/measures", moderation.measures, name="moderation_measures"),
    path("moderation/measures/<str:measure_id>/undo", moderation.undo, name="moderation_undo"),
    path("moderation/appeals", moderation.appeals, name="moderation_appeals"),
    path("moderation/appeals/<str:appeal_id>", moderation.decide, name="moderation_decide"),
    path("moderation/held", moderation.held, name="moderation_held"),
    path("moderation/held/<str:held_id>", moderation.held_decide, name="moderation_held_decide"),
    path("moderation/closed/<str:token>", my_cases.closed_account, name="closed_account"),
]
