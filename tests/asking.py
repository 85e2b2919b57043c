"""A client of the HTTP API, what it sends, and what an answer that refuses looks like."""

import json

from fastapi.testclient import TestClient
from waiting import wait_until

from photochrom.server.api import create_app
from photochrom.service.service import Service
from photochrom.settings import Limits

HINTS = json.dumps({"size": [451, 300], "hints": [{"x": 220, "y": 150, "color": "#2040c0"}]})


def make_client(colorizer, token=None, hosts=frozenset(), **limits) -> TestClient:
    return TestClient(create_app(Service(colorizer, Limits(**limits)), token, hosts), raise_server_exceptions=False)


def send(client, data, path="/v1/colorize", name="cat.jpg", headers=None, **fields):
    return client.post(path, files={"file": (name, data)}, data=fields, headers=headers)


def assert_problem(response, status, *words):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status and problem["title"] and "\n" not in problem["detail"]
    for word in words:
        assert word in problem["detail"]


def wait_for(client, address):
    wait_until(lambda: client.get(address).json()["state"] in ("done", "failed"), f"{address} has ended")
    return client.get(address).json()
