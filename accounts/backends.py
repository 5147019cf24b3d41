"""Sign in with an email address and a password."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.http import HttpRequest

from accounts.models import User
from accounts.selectors import find_user_by_email


class EmailBackend:
    """Checks a verified address and its password. Rights are not its business: see `Access`."""

    def authenticate(
        self,
        request: HttpRequest | None,
        email: str | None = None,
        password: str | None = None,
        **_other: Any,
    ) -> User | None:
        """Return the account, or None after the same work, whatever was wrong."""
        del request
        if email is None or password is None:
            return None
        user = find_user_by_email(email)
        if user is None or not user.has_usable_password():
            make_password(password)  # an unknown address must take as long as a wrong password
            return None
        matches = user.check_password(password)
        usable = user.is_active and user.email_verified_at is not None
        return user if matches and usable else None

    def get_user(self, user_id: UUID) -> User | None:
        """Return the session's account while it is active."""
        return User.objects.filter(pk=user_id, is_active=True).first()
