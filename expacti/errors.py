"""Pages and answers for what went wrong before a view could say it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core.problems import Problem, not_found
from core.problems import response as problem_response

API_PREFIX = "/api/"


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form without a valid CSRF token."""
    del reason  # tells an attacker which check failed
    detail = "The page was open for too long, or cookies are blocked. Reload it and try again."
    return _answer(request, Problem(403, "csrf_failed", detail), "403.html")


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a URL that leads nowhere."""
    del exception
    return _answer(request, not_found(), "404.html")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request that Django refused, an unknown Host among them."""
    del exception
    problem = Problem(400, "bad_request", "The request could not be understood.")
    return problem_response(problem, getattr(request, "request_id", ""))


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer after an unexpected error. Nothing was approved by it: actions are atomic."""
    problem = Problem(500, "internal_error", "Something failed here. The action was not done.")
    return _answer(request, problem, "500.html")


def _answer(request: HttpRequest, problem: Problem, template: str) -> HttpResponse:
    request_id = getattr(request, "request_id", "")
    if request.path.startswith(API_PREFIX) or "json" in request.headers.get("Accept", ""):
        return problem_response(problem, request_id)
    context = {"problem": problem, "request_id": request_id}
    return render(request, template, context, status=problem.status)
