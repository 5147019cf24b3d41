"""The shapes of the accounts' answers, for the OpenAPI document alone."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import serializers


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """How the document names an agent's key."""

    target_class = "accounts.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        del auto_schema
        return {"type": "http", "scheme": "bearer", "bearerFormat": "exp_…"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """How the document names a person's session."""

    target_class = "accounts.api.authentication.SessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        del auto_schema
        return {"type": "apiKey", "in": "cookie", "name": "expacti_session"}


class Named(serializers.Serializer[Any]):
    """Something by id and name."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class OwnKey(serializers.Serializer[Any]):
    """The key of this request."""

    prefix = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)


class Limits(serializers.Serializer[Any]):
    """What a submission may ask for."""

    ttl_min_s = serializers.IntegerField()
    ttl_max_s = serializers.IntegerField()
    ttl_default_s = serializers.IntegerField()
    body_bytes = serializers.IntegerField()


class AgentIdentity(serializers.Serializer[Any]):
    """Who the key makes the caller."""

    agent = Named()
    organization = Named()
    key = OwnKey()
    server_time = serializers.DateTimeField()
    limits = Limits()


class Key(serializers.Serializer[Any]):
    """A key, without what proves it."""

    id = serializers.UUIDField()
    agent = serializers.UUIDField()
    name = serializers.CharField()
    prefix = serializers.CharField()
    status = serializers.ChoiceField(choices=("active", "revoked", "expired"))
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)


class CreatedKey(Key):
    """A new key, whole, this once."""

    key = serializers.CharField(help_text="The whole key. It is never shown again.")


class KeyPage(serializers.Serializer[Any]):
    """One page of keys."""

    results = Key(many=True)
    next = serializers.CharField(allow_null=True)


class NewKey(serializers.Serializer[Any]):
    """The body that makes a key."""

    agent = serializers.UUIDField()
    name = serializers.CharField(required=False, max_length=100)
    expires_at = serializers.DateTimeField(required=False, allow_null=True)
