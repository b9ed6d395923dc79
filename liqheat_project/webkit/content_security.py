"""The Content-Security-Policy of each answer, by the beginning of its path."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

HEADER = "Content-Security-Policy"


class ContentSecurityPolicyMiddleware:
    """Adds the policy of CONTENT_SECURITY_POLICIES with the longest prefix of the request's path,
    unless the view has set one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.policies = [
            (prefix, "; ".join(f"{name} {sources}" for name, sources in policy.items()))
            for prefix, policy in sorted(
                settings.CONTENT_SECURITY_POLICIES.items(), key=lambda item: -len(item[0])
            )
        ]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for prefix, policy in self.policies:
            if request.path.startswith(prefix):
                response.headers.setdefault(HEADER, policy)
                break
        return response
