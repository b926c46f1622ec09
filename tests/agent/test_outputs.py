"""Outputs: each against a real peer, and against one that does not do its part."""

from __future__ import annotations

import gzip
import http.server
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.alert import Alert
from agent.outputs.http import Http, HttpSettings
from agent.outputs.lines import File, Program, Stdout, Syslog
from agent.outputs.queued import Queued


def alert(number: int = 0, output: str = "something happened") -> Alert:
    return Alert("R", "Warning", "syscall", (), "h", 0, output, {"n": number})


def line(item: Alert) -> str:
    return f"{item.output} {item.output_fields['n']}"


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


class Recorder:
    """A sink under the test's control."""

    name = "recorder"

    def __init__(self) -> None:
        self.got: list[int] = []
        self.open = threading.Event()
        self.error: Exception | None = None
        self.reopened = 0

    def write(self, item: Alert) -> None:
        self.open.wait()
        if self.error is not None:
            raise self.error
        self.got.append(item.output_fields["n"])

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        pass


def test_alerts_are_delivered_in_order_and_closing_waits_for_them() -> None:
    sink = Recorder()
    output = Queued(sink, 100)
    for number in range(50):
        output.offer(alert(number))
    sink.open.set()
    output.close(5)
    assert sink.got == list(range(50))
    assert output.counts.delivered == 50


def test_a_sink_that_hangs_never_holds_up_whoever_offers_and_every_loss_is_counted() -> None:
    output = Queued(Recorder(), 10)
    began = time.monotonic()
    for number in range(1000):
        output.offer(alert(number))
    output.close(0.1)
    assert time.monotonic() - began < 5
    counts = output.counts
    assert counts.dropped >= 989
    assert counts.delivered == 0


@pytest.mark.parametrize("error", [OSError("gone"), ValueError("odd")])
def test_a_sink_that_fails_is_counted_and_tried_again(error: Exception) -> None:
    sink = Recorder()
    sink.open.set()
    sink.error = error
    output = Queued(sink, 100)
    output.offer(alert(1))
    until(lambda: output.counts.failed == 1)
    sink.error = None
    output.offer(alert(2))
    output.close(5)
    assert sink.got == [2]


def test_reopening_happens_before_the_next_alert() -> None:
    sink = Recorder()
    sink.open.set()
    output = Queued(sink, 10)
    output.reopen()
    output.offer(alert(1))
    output.close(5)
    assert sink.reopened == 1


def test_stdout_writes_one_line_for_each_alert() -> None:
    inner, outer = os.pipe()
    Stdout(line, outer).write(alert(1))
    assert os.read(inner, 100) == b"something happened 1\n"


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_file_is_appended_to_for_root_only_and_survives_rotation(
    tmp_path: Path, *, keep_alive: bool
) -> None:
    path = tmp_path / "alerts"
    sink = File(line, path, keep_alive=keep_alive)
    sink.write(alert(1))
    path.rename(tmp_path / "alerts.1")
    sink.reopen()
    sink.write(alert(2))
    assert (tmp_path / "alerts.1").read_text().endswith("1\n")
    assert path.read_text().endswith("2\n")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        File(line, tmp_path / "no" / "where", keep_alive=False).write(alert())


@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_program_gets_the_lines_on_its_stdin(tmp_path: Path, *, keep_alive: bool) -> None:
    sink = Program(line, f"cat >> {tmp_path}/got; echo started >> {tmp_path}/starts", keep_alive=keep_alive)
    for number in range(3):
        sink.write(alert(number))
    sink.close()
    assert (tmp_path / "got").read_text().count("something happened") == 3
    assert (tmp_path / "starts").read_text().count("started") == (1 if keep_alive else 3)


def test_what_an_attacker_wrote_is_no_part_of_the_command(tmp_path: Path) -> None:
    Program(line, "cat > /dev/null", keep_alive=False).write(alert(1, f"$(touch {tmp_path}/pwned)`id`;"))
    assert not (tmp_path / "pwned").exists()


def test_a_program_that_fails_dies_or_hangs_is_an_error() -> None:
    with pytest.raises(OSError, match="exit code 3"):
        Program(line, "cat > /dev/null; exit 3", keep_alive=False).write(alert())
    dying = Program(line, "exit 0", keep_alive=True)
    dying.write(alert())
    time.sleep(0.3)
    dying.write(alert())  # a new one is started
    with pytest.raises(TimeoutError, match="killed"):
        Program(line, "exec sleep 60", keep_alive=False, timeout_s=0.2).write(alert())


def test_syslog_gets_priority_and_identity(tmp_path: Path) -> None:
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.bind(str(tmp_path / "log"))
    Syslog(line, str(tmp_path / "log")).write(alert(1))
    assert server.recv(1000) == b"<12>falco: something happened 1"


def test_syslog_that_is_absent_is_an_error_and_one_that_comes_back_is_found(tmp_path: Path) -> None:
    sink = Syslog(line, str(tmp_path / "log"))
    with pytest.raises(OSError, match="no syslog daemon"):
        sink.write(alert())
    for _ in range(2):
        server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        server.bind(str(tmp_path / "log"))
        sink.write(alert(1))
        assert server.recv(1000)
        server.close()
        (tmp_path / "log").unlink()


class Web(http.server.BaseHTTPRequestHandler):
    requests: list[tuple[dict[str, str], bytes]]
    answers: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append((dict(self.headers), body))
        self.send_response(self.answers.pop(0) if self.answers else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web() -> Iterator[tuple[str, type[Web]]]:
    handler = type("Handler", (Web,), {"requests": [], "answers": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/alerts", handler
    server.shutdown()
    server.server_close()


def as_json(item: Alert) -> str:
    return json.dumps(item.output_fields)


def test_http_posts_json(web: tuple[str, type[Web]]) -> None:
    url, handler = web
    Http(as_json, HttpSettings(url, "falcosecurity/falco")).write(alert(7))
    ((headers, body),) = handler.requests
    assert json.loads(body) == {"n": 7}
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"] == "falcosecurity/falco"


def test_http_compresses_if_asked(web: tuple[str, type[Web]]) -> None:
    url, handler = web
    Http(as_json, HttpSettings(url, "a", compress=True)).write(alert(7))
    ((headers, body),) = handler.requests
    assert headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(body)) == {"n": 7}


def test_http_tries_again_and_gives_up_after_the_third(web: tuple[str, type[Web]]) -> None:
    url, handler = web
    sink = Http(as_json, HttpSettings(url, "a"))
    handler.answers[:] = [500, 503]
    sink.write(alert(1))
    assert len(handler.requests) == 3
    handler.answers[:] = [500] * 3
    with pytest.raises(OSError, match="answered 500"):
        sink.write(alert(2))


def test_a_redirect_is_no_delivery_and_is_not_followed(web: tuple[str, type[Web]]) -> None:
    url, handler = web
    handler.answers[:] = [302] * 3
    with pytest.raises(OSError, match="answered 302"):
        Http(as_json, HttpSettings(url, "a")).write(alert(1))


def test_an_http_server_that_is_not_there_is_an_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/"
        with pytest.raises(OSError, match="refused"):
            Http(as_json, HttpSettings(url, "a")).write(alert())
