"""Many reviewers at once, against the installed command; its process is killed in the middle."""

import random
import re
import secrets
import signal
import socket
import threading
import time
from contextlib import contextmanager

import httpx2
import pytest
import yaml
from command_line import run_cleanmark, start_cleanmark, wait_until

from cleanmark.review import open_review
from review_ui.event_files import read_events
from review_ui.people import Role

DECISIONS = ("same", "different", "unsure", None)
TIMEOUT_SECONDS = 30.0


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _answers(origin):
    try:
        return httpx2.get(f"{origin}/sign-in", timeout=TIMEOUT_SECONDS).status_code == 200
    except httpx2.TransportError:
        return False


class Server:
    """The command, which can be killed and started again on the same port."""

    def __init__(self, run_dir, reviewers):
        self.port = _free_port()
        self.origin = f"http://127.0.0.1:{self.port}"
        self._arguments = ("review", run_dir, "--reviewers", reviewers, "--port", self.port)
        self.start()

    def start(self):
        self.process = start_cleanmark(*self._arguments)
        wait_until(lambda: _answers(self.origin) or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()

    def kill(self):
        self.process.kill()
        self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)


class Voter(threading.Thread):
    """Votes as fast as it can; sends again what was not acknowledged, with the same id."""

    def __init__(self, origin, token, until, seed):
        super().__init__()
        self.origin, self.token, self.until = origin, token, until
        self.random = random.Random(seed)
        self.sent, self.acknowledged, self.problems = set(), {}, []

    def run(self):
        try:
            with httpx2.Client(base_url=self.origin, timeout=TIMEOUT_SECONDS) as http:
                self._vote(http)
        except Exception as error:  # noqa: BLE001  (told by the test)
            self.problems.append(error)

    def _vote(self, http):
        assert http.post("/api/session", json={"token": self.token}).status_code == 204
        page = http.get("/").text
        http.headers["X-CSRF-Token"] = re.search(r'"csrf-token" content="(\w+)"', page)[1]
        items = http.get("/api/queue").json()["items"]
        digests = {}
        for item in items:
            pair = http.get(f"/api/pairs/{item['pair_id']}").json()
            digests[item["pair_id"]] = pair["evidence"]["digest"]
        while not self.until.is_set():
            self._vote_once(http, digests)

    def _vote_once(self, http, digests):
        pair_id = self.random.choice(sorted(digests))
        vote = {
            "event_id": secrets.token_hex(16),
            "pair_id": pair_id,
            "decision": self.random.choice(DECISIONS),
            "evidence_digest": digests[pair_id],
        }
        self.sent.add(vote["event_id"])
        while True:
            try:
                answer = http.post("/api/votes", json={"votes": [vote]})
            except httpx2.TransportError:
                time.sleep(0.05)
                continue
            assert answer.status_code == 201, answer.text
            self.acknowledged[vote["event_id"]] = answer.json()["positions"][0]
            return


@contextmanager
def _voting(server, tokens):
    until = threading.Event()
    voters = [Voter(server.origin, token, until, seed) for seed, token in enumerate(tokens)]
    for voter in voters:
        voter.start()
    try:
        yield voters
    finally:
        until.set()
        for voter in voters:
            voter.join()
    assert [voter.problems for voter in voters if voter.problems] == []


def _count(voters):
    return sum(len(voter.acknowledged) for voter in voters)


def _check_log(path, voters):
    """Every acknowledged vote is in the log, at the place that was told, and none is twice."""
    events = read_events(path)
    positions = {event.event_id: event.position for event in events}
    assert len(positions) == len(events)
    for voter in voters:
        for event_id, position in voter.acknowledged.items():
            assert positions[event_id] == position
    assert set(positions) <= set().union(*(voter.sent for voter in voters))


def _prepare(run_dir, num_voters):
    names = [f"voter {number}" for number in range(num_voters)]
    reviewers = run_dir.parent / "reviewers.yaml"
    reviewers.write_text(yaml.safe_dump({"reviewers": [{"name": name} for name in names]}))
    folder = open_review(run_dir, reviewers, None)
    tokens = [folder.people.invite(name, Role.REVIEWER, "tests") for name in names]
    folder.store.engine.dispose()
    return reviewers, tokens


def _hold(run_dir, num_voters, enough, num_kills):
    reviewers, tokens = _prepare(run_dir, num_voters)
    server = Server(run_dir, reviewers)
    try:
        with _voting(server, tokens) as voters:
            # Whoever is still signing in would be refused, and does not try again.
            wait_until(lambda: all(voter.acknowledged for voter in voters))
            for _ in range(num_kills):
                before = _count(voters)
                wait_until(lambda before=before: _count(voters) >= before + 4 * num_voters)
                server.kill()
                server.start()
            enough(voters)
        output, errors = server.stop()
    finally:
        if server.process.poll() is None:
            server.kill()
    assert (server.process.returncode, errors) == (0, ""), output
    log = run_dir / "decisions" / "review_events.parquet"
    _check_log(log, voters)
    status, output, _ = run_cleanmark("review", run_dir, "--verify")
    assert status == 0, output
    return _count(voters)


def test_no_acknowledged_vote_is_lost_when_the_server_is_killed(own_run):
    def enough(voters):
        before = _count(voters)
        wait_until(lambda: _count(voters) >= before + 30)

    assert _hold(own_run.run_dir, 6, enough, num_kills=1) >= 54


@pytest.mark.slow
@pytest.mark.parametrize("num_kills", [0, 3])
def test_twenty_reviewers_for_a_minute(own_run, num_kills):
    assert _hold(own_run.run_dir, 20, lambda _: time.sleep(60), num_kills) > 0
