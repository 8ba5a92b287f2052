"""A headless Chromium for tests: the DevTools protocol over its pipe, by the standard library alone."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"  # axe-core, checks of accessibility
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # root in a container has none
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-extensions",
    "--no-first-run",
)
# The protocol wants its commands on descriptor 3 and answers on 4.
SHELL = 'exec "$@" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null'


def chromium() -> str | None:
    """The browser of this machine."""
    return next(filter(None, map(shutil.which, NAMES)), None)


with_a_browser = pytest.mark.skipif(
    chromium() is None, reason=f"no {', '.join(NAMES)} here: pages are not tried out"
)


class Browser:
    """One page in a browser. complaints: what it wrote on its console; requests: addresses it asked for."""

    def __init__(self, process: subprocess.Popen):
        self.process, self.sent, self.session = process, 0, None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters) -> dict:
        """The answer to one command."""
        self.sent += 1
        command = {"id": self.sent, "method": method, "params": parameters}
        if self.session:
            command["sessionId"] = self.session
        self.process.stdin.write(json.dumps(command).encode() + b"\0")
        self.process.stdin.flush()
        while (answer := self.receive()).get("id") != self.sent:
            self.note(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def receive(self) -> dict:
        """The next message."""
        message = bytearray()
        while (byte := self.process.stdout.read(1)) != b"\0":
            assert byte, "the browser has gone"
            message += byte
        return json.loads(message)

    def note(self, event: dict) -> None:
        """Keep what tests ask about."""
        method, parameters = event["method"], event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(parameters))

    def visit(self, path: Path) -> None:
        """Load a file."""
        self.call("Page.navigate", url=path.as_uri())
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def run(self, script: str) -> Any:
        """The value of an expression; a promise is awaited."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition: str, seconds: float = 20.0) -> None:
        """Until an expression is true."""
        asked = f"""(async () => {{
            const end = performance.now() + {1000 * seconds};
            while (!({condition}) && performance.now() < end) await new Promise((go) => setTimeout(go, 20));
            return Boolean({condition});
        }})()"""
        assert self.run(asked), f"waited {seconds} s for {condition}"

    def press(self, key: str, code: str, text: str = "", shift: bool = False) -> None:
        """A key, as a person presses it."""
        named = {"key": key, "code": code, "windowsVirtualKeyCode": KEYS[code], "modifiers": 8 * shift}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **named)
        self.call("Input.dispatchKeyEvent", type="keyUp", **named)

    def click(self, x: float, y: float) -> None:
        """The mouse's left button at a place of the window, in CSS pixels."""
        place = {"x": x, "y": y, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **place)

    def resize(self, width: int, height: int = 900, density: float = 1.0) -> None:
        """The window's size in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": density}
        self.call("Emulation.setDeviceMetricsOverride", **size, mobile=False)

    def prefer(self, **features: str) -> None:
        """Media features, as prefers_color_scheme="dark"; the others come back."""
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.call("Emulation.setEmulatedMedia", features=named)

    def violations(self) -> list[str]:
        """What axe-core finds wrong with the page."""
        self.run(f"{AXE.read_text(encoding='utf-8')}; 0")
        said = (
            "found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120))}`)"
        )
        return self.run(f"axe.run().then((found) => {said})")


KEYS = {"Space": 32, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Enter": 13}


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own; all its processes end with it."""
    words = [chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(
        ["sh", "-c", SHELL, "sh", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield Browser(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdin.close()
        process.stdout.close()


@pytest.fixture(scope="module")
def open_browser(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened
