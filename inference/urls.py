from django.urls import path

from inference import views

app_name = "inference"
urlpatterns = [
    path("api/inference/<str:namespace>/<str:name>/state", views.state, name="state"),
    path("settings/usage", views.usage, name="usage"),
    path("settings/usage.csv", views.usage_csv, name="usage_csv"),
    path("-/workers", views.workers, name="workers"),
    path("<str:namespace>/<str:name>/playground", views.playground, name="playground"),
]
