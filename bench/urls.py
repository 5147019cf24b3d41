"""Expacti's URLs and the floor: a DRF view that reads one row."""

from typing import Any
from uuid import UUID

from django.urls import path
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bench.rivals.models import PlainNote
from expacti.urls import urlpatterns as expacti_urls


class NoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = PlainNote
        fields = ("id", "organization_id", "state", "digest", "text", "created_at")


class ReadOneRow(APIView):
    """What a Django user writes first: one read, one serializer, nobody asked who they are."""

    authentication_classes: Any = ()
    permission_classes = (AllowAny,)

    def get(self, request: Request, note_id: UUID) -> Response:
        del request
        return Response(NoteSerializer(PlainNote.objects.get(pk=note_id)).data)


urlpatterns = [
    path("bench/notes/<uuid:note_id>/", ReadOneRow.as_view()),
    path("api/v1/bench/notes/<uuid:note_id>/", ReadOneRow.as_view()),
    *expacti_urls,
]
