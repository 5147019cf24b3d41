"""What people type into account pages: shapes only, rules are the services'."""

from __future__ import annotations

from django import forms

from core.problems import Problem

NON_FIELD = "__all__"


class SignInForm(forms.Form):
    """The first step."""

    email = forms.CharField(max_length=254)
    password = forms.CharField(max_length=1_024, strip=False)


class CodeForm(forms.Form):
    """The second step: a code of either kind."""

    code = forms.CharField(max_length=32)


class PasswordForm(forms.Form):
    """The present password and, twice, the new one."""

    current = forms.CharField(max_length=1_024, strip=False)
    new = forms.CharField(max_length=1_024, strip=False)
    again = forms.CharField(max_length=1_024, strip=False)

    def clean_again(self) -> str:
        again = str(self.cleaned_data["again"])
        if again != self.cleaned_data.get("new"):
            raise forms.ValidationError("The two are not the same.", code="different")
        return again


class AgentForm(forms.Form):
    """A new agent."""

    name = forms.CharField(max_length=80)
    description = forms.CharField(max_length=300, required=False)


class KeyForm(forms.Form):
    """A new key: a note, and for how many days (empty: for ever)."""

    EXPIRY_DAYS = ("30", "90", "365", "")

    name = forms.CharField(max_length=100, required=False)
    expires = forms.ChoiceField(choices=[(days, days) for days in EXPIRY_DAYS], required=False)


def add_problem(form: forms.Form, problem: Problem) -> None:
    """Put a service's refusal beside the fields that it is about."""
    if not problem.errors:
        form.add_error(None, problem.detail)
    for error in problem.errors:
        name = error.pointer.lstrip("/")
        form.add_error(name if name in form.fields else None, error.detail)
