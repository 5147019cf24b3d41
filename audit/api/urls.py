from django.urls import path

from audit.api.views import EventCollection, Export

urlpatterns = [
    path("audit/events/", EventCollection.as_view(), name="api-audit-events"),
    path("audit/export/", Export.as_view(), name="audit-export"),
]
