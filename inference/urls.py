from django.urls import path

from inference import views

app_name = "inference"
urlpatterns = [
    path("api/inference/<str:namespace>/<str:name>/state", views.state, name="state"),
]
