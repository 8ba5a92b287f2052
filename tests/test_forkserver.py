"""The warm server: whoever asks must not notice it, except by the clock.

Most tests run a copy of the package that has a command `probe` in a room without slow libraries, by the
real console command from a folder of its own, with a server of its own.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from largebatch import cli
from largebatch import forkserver as warm
from tests.conftest import REPOSITORY, small_arm
from tests.shared.processes import alive, end, until

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").is_file(), reason="looks into /proc")

COMMAND = Path(sys.executable).with_name("largebatch")
PEOPLE = "cli/people.py"  # where the copy has a command more
BARE = '\n    "bare": ("decimal", "largebatch.cli.people"),'  # the libraries that it needs
PROBE = """

@click.command()
@click.option("--do")
def probe(do):
    import json
    import os
    import signal
    import sys
    import time

    said = {"pid": os.getpid(), "folder": os.getcwd(), "tag": os.environ.get("TAG"), "file": __file__}
    print(json.dumps(said | {"read": sys.stdin.read(), "message": "first"}))
    print("größer", file=sys.stderr)
    if do == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if do == "leave":
        sys.exit(5)
    if do == "complain":
        sys.exit("no more of this")
    if do == "finish":
        sys.exit()
    if do == "raise":
        raise ValueError("no such luck")
    if do == "wait":
        try:
            sys.stdout.flush()
            time.sleep(3600)
        finally:
            Path("ended").touch()
    return 7
"""
# No test waits for a server to be late, or meets one that has gone while the machine was busy.
NEVER = 1e9


def servers(folder: Path) -> list[int]:
    """The processes that listen in a folder or did."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:  # gone meanwhile
            continue
        if b"largebatch.forkserver" in words and any(word.startswith(os.fsencode(folder)) for word in words):
            found.append(int(path.parent.name))
    return found


@pytest.fixture(scope="module")
def private():
    """Gives folders with short names (a socket's has at most 108 letters); ends what listens there."""
    folders = []

    def folder() -> Path:
        folders.append(Path(tempfile.mkdtemp(prefix="warm", dir="/tmp")).resolve())
        return folders[-1]

    yield folder
    end(*(f"TMPDIR={made / name}" for made in folders for name in ("", "tmp")))
    for made in folders:
        shutil.rmtree(made)


def kept(room: Path) -> dict[str, str]:
    """The environment of a caller whose servers listen in this folder."""
    return os.environ | {"TMPDIR": str(room)}


class Caller:
    """A folder with a copy of the package, src/, found by a relative PYTHONPATH."""

    def __init__(self, folder: Path):
        self.folder, self.room = folder, folder / "tmp"
        self.room.mkdir()
        shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        self.edit(PEOPLE, "\n\ndef scale_of(", PROBE + "\n\ndef scale_of(")
        self.edit(
            "cli/names.py",
            "MODULES |=",
            'KINDS["probe"], MODULES["probe"] = "bare", "largebatch.cli.people"\nMODULES |=',
        )
        self.edit("forkserver.py", "LIBRARIES = {", f"LIBRARIES = {{{BARE}")
        self.edit("forkserver.py", "IDLE_SECONDS = 60.0", f"IDLE_SECONDS = {NEVER}")
        self.edit("forkserver.py", "START_SECONDS = 30.0", f"START_SECONDS = {NEVER}")

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.folder / "src" / "largebatch" / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    def start(self, do="return", folder=None, **environment) -> subprocess.Popen:
        """The console command, from a shell that ignores Ctrl-C as background jobs of scripts do."""
        source = os.path.relpath(self.folder / "src", folder or self.folder)
        return subprocess.Popen(
            ["sh", "-c", 'trap \'\' INT; exec "$0" probe --do "$1"', COMMAND, do],
            cwd=folder or self.folder,
            env=kept(self.room) | {"PYTHONPATH": source} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def call(self, do="return", text="", **more):
        """(exit code, what was said, standard error, whether the job was another process) of a call."""
        process = self.start(do, **more)
        out, err = process.communicate(text)
        said = json.loads(out.splitlines()[0])
        return process.returncode, said, err, said.pop("pid") != process.pid


@pytest.fixture
def caller(private) -> Caller:
    return Caller(private())


def test_a_job_is_the_callers(caller):
    """Its streams, folder, environment, code and exit code; the same as without a server."""
    other = caller.folder / "elsewhere"
    other.mkdir()
    for more in ({}, {"text": "asked", "TAG": "one"}, {"folder": other, "TAG": "zwölf"}):
        *warmly, forked = caller.call(**more)
        *coldly, apart = caller.call(**more, LARGEBATCH_WARM="0")
        assert (forked, apart) == (True, False)
        assert warmly == coldly
        code, said, err = warmly
        assert (code, err) == (7, "größer\n")
        assert said["file"] == str(caller.folder / "src" / "largebatch" / PEOPLE)
        assert said["folder"] == str(more.get("folder", caller.folder))
        assert (said["tag"], said["read"]) == (more.get("TAG"), more.get("text", ""))


@pytest.mark.parametrize(
    ("do", "wanted"), [("leave", 5), ("complain", 1), ("finish", 0), ("raise", 1), ("kill", None)]
)
def test_a_job_that_leaves_early_says_so(caller, do, wanted):
    if do == "kill":
        process = caller.start(do)
        process.communicate()
        assert process.returncode == 1  # of the caller, who was not killed
        return
    *warmly, forked = caller.call(do)
    *coldly, _ = caller.call(do, LARGEBATCH_WARM="0")
    assert forked and warmly == coldly and warmly[0] == wanted


def test_a_server_has_our_code_too_and_edited_code_is_read_afresh(caller):
    """Whatever the edit; code that is put back as it was has its server again."""
    people = caller.folder / "src" / "largebatch" / PEOPLE
    before, times = people.read_text(encoding="utf-8"), people.stat()
    assert caller.call()[1]["message"] == caller.call()[1]["message"] == "first"
    assert len(servers(caller.room)) == 1
    caller.edit(PEOPLE, '"message": "first"', '"message": "third"')  # as long as before
    assert caller.call()[1]["message"] == "third"
    added = caller.folder / "src" / "largebatch" / "added.py"
    added.write_text("NAME = 'added'\n", encoding="utf-8")
    caller.edit(PEOPLE, '"third"', "__import__('largebatch.added').added.NAME")
    assert caller.call()[1]["message"] == "added"
    added.write_text("NAME = 'again'\n", encoding="utf-8")
    assert caller.call()[0::3] == (7, True) and caller.call()[1]["message"] == "again"
    assert len(servers(caller.room)) == 4
    added.unlink()
    people.write_text(before, encoding="utf-8")
    os.utime(people, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert caller.call()[1]["message"] == "first"
    assert len(servers(caller.room)) == 4


def test_code_edited_while_its_server_starts_is_served_by_none(caller):
    package = caller.folder / "src" / "largebatch"
    touch = f"import os\nos.utime({str(package / PEOPLE)!r}, ns=(1, 1))\n"
    (package / "slow.py").write_text(touch, encoding="utf-8")
    caller.edit("forkserver.py", '("decimal", ', '("decimal", "largebatch.slow", ')
    assert caller.call()[0::3] == (7, False)
    until(lambda: not servers(caller.room))
    assert caller.call()[0::3] == (7, True)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_job_ends_with_its_caller(caller, how):
    """Even where Ctrl-C is ignored, and while the job waits for something."""
    process = caller.start("wait")
    process.stdin.close()
    job = json.loads(process.stdout.readline())["pid"]
    assert job != process.pid and alive(job)
    assert process.stderr.readline() == "größer\n"  # a log is written line by line
    os.kill(process.pid, how)
    process.wait()
    until(lambda: not alive(job))
    assert (caller.folder / "ended").exists()  # it could tidy up
    process.stdout.close(), process.stderr.close()


def test_jobs_side_by_side_share_a_server_that_goes_when_idle(caller):
    jobs = [caller.start() for _ in range(3)]
    said = [json.loads(job.communicate("")[0]) for job in jobs]
    assert [job.returncode for job in jobs] == [7, 7, 7]
    assert not {one["pid"] for one in said} & {job.pid for job in jobs}
    assert len(servers(caller.room)) == 1
    (server,) = servers(caller.room)
    os.kill(server, signal.SIGKILL)  # it is patient
    left = [*caller.room.glob("*/*[!k]")]
    caller.edit("forkserver.py", f"IDLE_SECONDS = {NEVER}", "IDLE_SECONDS = 0.1")
    assert caller.call()[0::3] == (7, True)
    until(lambda: not servers(caller.room))
    assert [*caller.room.glob("*/*[!k]")] == left
    assert caller.call()[0::3] == (7, True)


def test_the_socket_of_a_killed_server_is_no_obstacle(caller):
    caller.call()
    (server,) = servers(caller.room)
    os.kill(server, signal.SIGKILL)
    until(lambda: not servers(caller.room))
    assert len([*caller.room.glob("*/*[!k]")]) == 1
    assert caller.call()[0::3] == (7, True)


def test_a_job_that_outlives_its_server_is_no_obstacle(caller):
    process = caller.start("wait")
    process.stdin.close()
    job = json.loads(process.stdout.readline())["pid"]
    (server,) = set(servers(caller.room)) - {job}
    os.kill(server, signal.SIGKILL)
    until(lambda: not alive(server))
    assert caller.call()[0::3] == (7, True)
    assert alive(job)
    process.kill()
    process.wait()
    until(lambda: not alive(job))
    process.stdout.close(), process.stderr.close()


def test_children_are_reaped_where_the_caller_ignores_them(caller):
    """Else the server would end with its first job."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:  # without a shell, which would not ignore them
        process = subprocess.Popen(
            [COMMAND, "probe", "--do", "return"],
            cwd=caller.folder,
            env=kept(caller.room) | {"PYTHONPATH": "src"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert process.wait() == 7
    (server,) = servers(caller.room)
    time.sleep(1.2)  # it looks for them every second
    assert alive(server) and caller.call()[0::3] == (7, True)
    assert servers(caller.room) == [server]


@pytest.mark.parametrize("unread", [b"", b"s"], ids=["closed", "reset"])
def test_a_connection_that_breaks_interrupts_the_job(monkeypatch, unread):
    sent = []
    monkeypatch.setattr(os, "kill", lambda *words: sent.append(words))
    theirs, ours = socket.socketpair()
    with ours:
        ours.send(unread)
        theirs.close()
        warm.end_with(ours)
    assert sent == [(os.getpid(), signal.SIGINT)]


def ours(caller) -> Path:
    """Where this user's servers would listen."""
    return caller.room / f"largebatch-{os.getuid()}"


def move_far(caller):
    caller.room = caller.room / ("long" * 30)
    caller.room.mkdir()


SPOILT = {
    "library": lambda caller: caller.edit("forkserver.py", '("decimal", ', '("nowhere", '),
    "rights": lambda caller: ours(caller).mkdir(mode=0o755),
    "kind": lambda caller: ours(caller).touch(0o600),
    "link": lambda caller: ours(caller).symlink_to(caller.folder),  # which is ours alone
    "length": move_far,
}


@pytest.mark.parametrize("what", SPOILT)
def test_where_there_can_be_no_server_the_job_runs_at_once_by_itself(caller, what):
    SPOILT[what](caller)
    start = time.monotonic()
    code, said, err, forked = caller.call(text="asked", encoding="utf-8")
    assert (code, said["read"], err, forked) == (7, "asked", "größer\n", False)
    assert time.monotonic() - start < warm.START_SECONDS / 2
    assert not servers(caller.room)


@pytest.mark.parametrize("change", ["ulimit -n 200", "ulimit -c 0", "umask 027", "nice"])
def test_what_a_shell_limits_is_inherited(change):
    """And said, or the limits of one caller would be those of another."""
    script = "import json; from largebatch.forkserver import inherited; print(json.dumps(inherited()))"

    def said(before):
        words = ["sh", "-c", f'{before} "$0" "$@"', sys.executable, "-c", script]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
        return subprocess.run(words, env=environment, capture_output=True, check=True).stdout

    assert said("ulimit -c 1;") == said("ulimit -c 1;")
    assert said("ulimit -c 1;") != said(f"ulimit -c 1; {change}" + ("" if change == "nice" else ";"))


# Where Python can be told no other encoding than ASCII.
POOREST = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("locale", [POOREST, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}, {"LC_ALL": "C.UTF-8"}])
@pytest.mark.parametrize("patience", ["0", "1"], ids=["cold", "warm"])
def test_a_job_speaks_utf_8_in_every_locale(caller, locale, patience):
    code, _, err, forked = caller.call(LARGEBATCH_WARM=patience, **locale)
    assert (code, err, forked) == (7, "größer\n", patience == "1")


def test_the_encoding_of_files_is_that_of_the_callers_locale(caller):
    """And not that in which an earlier caller started the server."""
    ask = '"tag": sys.getfilesystemencoding(), "was": os.environ.get("TAG"),'
    caller.edit(PEOPLE, '"tag": os.environ.get("TAG"),', ask)
    assert caller.call(LC_ALL="C.UTF-8")[1]["tag"] == "utf-8"
    *_, said, _, forked = caller.call(**POOREST)
    assert (said["tag"], forked) == ("ascii", True)


def test_training_gives_the_same_bytes_warm_and_cold(private, tmp_path):
    """The room with torch, by the real package."""
    room, data = private(), tmp_path / "digits.safetensors"
    assert cli.main(["data", "--name", "digits", "--sources", str(data.parent), "--out", str(data)]) == 0
    arm = small_arm(precision="float32")

    def train(where, file=data, **environment):
        words = ["train", "--settings", json.dumps(arm.chosen()), "--seeds", "2", "--data", file]
        process = subprocess.run(
            [COMMAND, *words, "--out", f"{where}/{arm.id}", "--threads", "1"],
            cwd=tmp_path,
            env=kept(room) | environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        return process.returncode, re.sub(r"[\d.]+ s$", "", process.stdout), process.stderr

    cold = train("cold", LARGEBATCH_WARM="0")
    assert (cold[0], cold[1].splitlines()[-1], cold[2]) == (0, f"trained {arm.id} in ", "")
    assert not servers(room)
    assert train("warm") == train("again") == cold
    assert len(servers(room)) == 1
    for name in ("history.parquet", "weights.safetensors", "spec.json"):
        found = {(tmp_path / where / arm.id / name).read_bytes() for where in ("cold", "warm", "again")}
        assert len(found) == 1
    failed = train("warm", "absent.safetensors")
    assert failed[0] == 1 and failed[2].startswith("largebatch train: ")
