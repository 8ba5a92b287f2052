"""Start jobs from a process that has the slow libraries imported already.

Importing torch costs seconds and an arm often trains for less. So the first job of a kind starts a
server that imports the libraries and our modules of its room, and jobs are forks of it: milliseconds
instead. A server serves this package as it lay on disk when it started: after an edit there is another
server, so no job runs old code. It goes away after a minute without work. LARGEBATCH_WARM=0 switches
it off, and whenever anything about it is not as it should be, the job runs in its own process as if
there were none.

Snakemake's benchmark files do not see the memory of a fork; provenance.json has its peak.

Every job starts with this module, so what only a server needs is imported there.
"""

import contextlib
import io
import json
import os
import re
import resource
import signal
import socket
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path

from largebatch import interrupts

PACKAGE = Path(__file__).parent
# The libraries, and by name what they would import at their first use.
BOTH = (
    "click",
    "numpy",
    "pandas",
    "pandas.io.formats.csvs",
    "pyarrow.dataset",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "pydantic.fields",
    "pydantic.type_adapter",
    "yaml",
)
LIBRARIES = {
    "torch": (
        *BOTH,
        "largebatch.cli.by_seeds",
        "largebatch.cli.increments",
        "largebatch.cli.torch_jobs",
        "safetensors.torch",
        "scipy.optimize",
        "sklearn.datasets",
        "torch",
        "torch._dynamo",  # a second derivative, or vmap
        "torch.func",
    ),
    "pandas": (
        *BOTH,
        "PIL.JpegImagePlugin",  # whatever is written
        "fontTools.subset",  # a font in a PDF file
        "jinja2",
        "largebatch.cli.pandas_jobs",
        "matplotlib.figure",
        "matplotlib.backends.backend_agg",
        "matplotlib.backends.backend_pdf",
        "matplotlib.backends.backend_svg",
        "matplotlib.style",
        "safetensors.numpy",
        "scipy.stats",
    ),
}
# Whose modules and digests a room has ready.
STAGES = {
    "torch": ("data", "train", "measure", "exhibit"),
    "pandas": (
        *("aggregate", "judge", "ledger", "draw", "animate", "tabulate", "robustness"),
        *("numbers", "report", "page"),
    ),
}
IDLE_SECONDS = 60.0
START_SECONDS = 30.0
STARTED, FINISHED = b"s", b"f"
# Variables that say where in which shell a command was typed.
OF_A_SHELL = {"_", "OLDPWD", "PWD", "SHLVL"}
# SLURM tells each step of a job its number and ports; only the job counts.
OF_A_STEP = re.compile(r"SLURM_(?!JOB_ID$)")
# Of standard streams: logs are UTF-8 everywhere, and a letter that a terminal lacks stops no job.
TEXT: dict = {"encoding": "utf-8", "errors": "backslashreplace"}


def by_torchrun() -> bool:
    """Whether torchrun has started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def run(room: str, arguments: list[str], main: Callable[[list[str]], int]) -> int:
    """main(arguments) in a fork of the room's warm server, or here if there can be none; the exit code."""
    # torchrun watches the processes that it has started.
    if os.environ.get("LARGEBATCH_WARM") != "0" and not by_torchrun() and hasattr(os, "fork"):
        code = ask_server(room, arguments, f"{main.__module__}:{main.__name__}")
        if code is not None:
            return code
    return main(arguments)


def speak_utf_8() -> None:
    """Give this process's standard output and error the encoding of TEXT."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(**TEXT)


def ask_server(room: str, arguments: list[str], entry: str) -> int | None:
    """The exit code of a job run by the server; None if no server took it."""
    stopped: list[int] = []
    try:
        with connect(address(room), room) as server, interrupts.passed_on(server) as stopped:
            job = {"entry": entry, "arguments": arguments}
            job |= {"folder": str(Path.cwd()), "environment": dict(os.environ)}
            socket.send_fds(server, [b"j"], [0, 1, 2])
            with server.makefile("rwb") as stream:
                stream.write(json.dumps(job).encode() + b"\n")
                stream.flush()
                if stream.read(1) != STARTED:
                    return interrupts.CODE if stopped else None
                # From here on the job is the server's: if the connection breaks, the job was killed.
                answer = stream.read(2)
                return answer[1] if answer[:1] == FINISHED else 1
    except OSError:
        return interrupts.CODE if stopped else None


def address(room: str) -> Path:
    """Where the server of this room, interpreter and surroundings listens."""
    folder = own_folder()
    installed = Path(sysconfig.get_paths()["purelib"]).stat().st_mtime_ns  # changed by each installation
    key = [room, sys.executable, sys.prefix, sys.path[1:], inherited(), installed]
    return folder / f"{digest(key)}-{digest(sources())}"


def own_folder() -> Path:
    """Where this user's jobs on this machine meet: sockets of servers, locks."""
    folder = Path(tempfile.gettempdir()) / f"largebatch-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()  # a link is anyone's
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise OSError(f"{folder}: wanted a folder of ours alone")
    return folder


def digest(key: list) -> str:
    """A short name for a key that is ready for JSON."""
    return sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]


def sources() -> list:
    """Place, size and time of change of each of this package's files: an edit changes them."""
    return sorted(
        (file.path, file.stat().st_size, file.stat().st_mtime_ns)
        for folder, _, _ in os.walk(PACKAGE)
        if not folder.endswith("__pycache__")
        for file in os.scandir(folder)
        if file.is_file()
    )


def inherited() -> dict:
    """What a process has from its parent and may not change later, ready for JSON.

    All of the environment: which variables libraries read as they start (encoding, threads, caches, devices)
    is for them to say.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    limits = sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))
    proc = Path("/proc/self")
    return {
        "environment": {
            name: value
            for name, value in os.environ.items()
            if name not in OF_A_SHELL and not OF_A_STEP.match(name)
        },
        "umask": umask,
        "groups": sorted({os.getgid(), *os.getgroups()}),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in limits},
        "priority": os.getpriority(os.PRIO_PROCESS, 0),
        "processors": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        # Containers may share a folder for temporary files with the machine they run on.
        "namespaces": sorted(str(link.readlink()) for link in proc.glob("ns/*")),
        "cgroup": [path.read_text(**TEXT) for path in proc.glob("cgroup")],
    }


def connect(path: Path, room: str) -> socket.socket:
    """A connection to the server, which is started if there is none."""
    deadline, started = time.monotonic() + START_SECONDS, None
    while True:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(path))
            return server
        except OSError:
            server.close()
        started = started or start_server(path, room)
        if started and started.poll() is not None:
            raise ChildProcessError(f"no server at {path}: it ended with {started.returncode}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"no server at {path}")
        time.sleep(0.02)


def start_server(path: Path, room: str):
    """The process of a new server; None if another holds its lock, which it keeps as long as it lives."""
    import fcntl
    import subprocess

    with path.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        sources = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "largebatch.forkserver", str(path), room, str(lock.fileno())],
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[lock.fileno()],
            cwd="/",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(str(Path(s).absolute()) for s in sources)},
        )


def serve(path: Path, room: str, lock: int) -> None:
    """Accept jobs and fork one child each until nothing has been asked for a while."""
    import gc
    import selectors

    path.unlink(missing_ok=True)  # of a server that was killed: the lock says that none lives
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # maybe ignored where the server was started
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(str(path))
        listener.listen(128)
        for library in LIBRARIES[room]:
            import_module(library)
        from largebatch.provenance import get_ready  # not where it would delay who asks

        for stage in STAGES.get(room, ()):
            get_ready(stage)
        if not path.name.endswith(digest(sources())):
            return  # edited meanwhile: the job runs by itself
        gc.freeze()  # else each job would go through all their objects, and copy the memory they lie in
        selector.register(listener, selectors.EVENT_READ)
        children: set[int] = set()
        last = time.monotonic()
        while children or time.monotonic() - last < IDLE_SECONDS:
            if selector.select(timeout=1.0):
                connection, _ = listener.accept()
                child = os.fork()
                if child == 0:
                    # A job that outlives the server must not keep others from starting the next.
                    selector.close()
                    listener.close()
                    os.close(lock)
                    serve_job(connection)
                connection.close()
                children.add(child)
                last = time.monotonic()
            children = {child for child in children if os.waitpid(child, os.WNOHANG) == (0, 0)}
            if children:
                last = time.monotonic()
        path.unlink(missing_ok=True)


def serve_job(connection: socket.socket) -> None:
    """Become the job that the other end asks for; never returns."""
    import threading

    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script started the server
        interrupts.once()
        os.setsid()
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb") as stream:
            job = json.loads(stream.readline())
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
            os.close(descriptor)
        # The standard streams were /dev/null: buffers and encodings anew.
        sys.stdin, sys.stdout, sys.stderr = (
            open(number, mode, buffering, closefd=False, **TEXT)  # noqa: SIM115 they stay open
            for number, mode, buffering in ((0, "r", -1), (1, "w", -1), (2, "w", 1))
        )
        os.environ.clear()
        os.environ.update(job["environment"])
        os.chdir(job["folder"])
        connection.send(STARTED)
        threading.Thread(target=end_with, args=(connection,), daemon=True).start()
        module, name = job["entry"].split(":")
        code = getattr(import_module(module), name)(job["arguments"])
    except SystemExit as leaving:
        # As the interpreter does it: nothing is success, anything but a number is said.
        if leaving.code is None:
            code = 0
        elif isinstance(leaving.code, int):
            code = leaving.code
        else:
            print(leaving.code, file=sys.stderr)
    except KeyboardInterrupt:
        code = interrupts.CODE
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        # The other end may hang up as soon as it has its answer: no interrupt any more.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        with contextlib.suppress(OSError):
            connection.send(FINISHED + bytes([code & 0xFF]))
        os._exit(code & 0xFF)


def end_with(connection: socket.socket) -> None:
    """Interrupt the job once whoever asked for it is gone (Ctrl-C, kill)."""
    try:
        gone = connection.recv(1) == b""
    except OSError:  # such as a reset: it did not even read that the job has started
        gone = True
    if gone:
        os.kill(os.getpid(), signal.SIGINT)  # a real signal, which ends waiting too


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
