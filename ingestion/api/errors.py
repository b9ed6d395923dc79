"""What an endpoint answers when what it needs cannot be read: 503, and no word of this machine."""

import logging

from django.db import Error as DatabaseError
from drf_standardized_errors import handler
from rest_framework.exceptions import APIException
from rest_framework.response import Response

from ingestion import requests
from ingestion.errors import FileDamaged, IngestionError
from liqheat_project.kernel import complaints

UNAVAILABLE = (
    "The data cannot be read now; ask again in a while. The reason stands in the server's log and "
    "on the admin's page System status."
)

DAMAGED = (
    "A file with these rows is damaged and cannot be read; its days must be loaded anew. GET "
    "/data/quality names them once the file has been found."
)

logger = logging.getLogger(__name__)


class Unavailable(APIException):
    status_code = 503
    default_code = "unavailable"
    default_detail = UNAVAILABLE
    wait = 5


class ExceptionHandler(handler.ExceptionHandler):
    """A lake, or a database, that is damaged, full, locked or away."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, IngestionError | DatabaseError):
            logger.error("%s", exc)
            if isinstance(exc, FileDamaged):
                requests.look_for_damage(self._symbol())
                return Unavailable(DAMAGED)
            return Unavailable(complaints.sentence(exc, in_public=True))
        return super().convert_known_exceptions(exc)

    def _symbol(self) -> str:
        request = self.context["request"]
        return request.query_params.get("symbol", "") if request else ""

    def report_exception(self, exc: APIException, response: Response) -> None:
        if not isinstance(exc, Unavailable):  # of that the line above says all
            super().report_exception(exc, response)
