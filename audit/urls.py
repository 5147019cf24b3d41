from django.urls import path

from audit.views import timeline

urlpatterns = [path("audit/", timeline, name="audit")]
