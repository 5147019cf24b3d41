from django.apps import AppConfig


class RecordingsConfig(AppConfig):
    """The place of session recordings; they come with their own issue."""

    name = "recordings"
