from django.test import Client


def test_a_live_server_says_so_without_asking_anything():
    response = Client().get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
