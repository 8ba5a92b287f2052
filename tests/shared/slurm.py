"""A SLURM of our own on this machine: one controller, one node, and GPUs that are made up."""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from tests.shared.processes import started_with

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue")
SBIN = ("/usr/sbin", "/sbin")  # where daemons lie, and only root looks
START_SECONDS = 30.0
NULL = os.makedev(1, 3)  # what a made-up GPU is
CONTROLLER = """
ClusterName=try
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
SlurmdTimeout=10
KillWait=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={mib} Gres=gpu:{gpus}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
SRUN = """#!/bin/sh
SLURM_CONF={folder}/slurm.conf exec {srun} "$@"
"""
MUNGE = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
GPUS = "NodeName={host} Name=gpu File={folder}/gpu[0-{last}] Flags=nvidia_gpu_env\n"


def lacking() -> str:
    """Why this machine cannot have one; empty if it can."""
    absent = [name for name in PROGRAMS if found(name) is None]
    if absent:
        return f"wanted SLURM's programs (munge, slurmctld, slurmd, slurm-client); got no {', '.join(absent)}"
    return "" if os.getuid() == 0 else "wanted root, as whom SLURM's daemons run; got another user"


def found(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *SBIN]))


class Slurm:
    """Its daemons, which end with the block."""

    def __init__(self, folder: Path, gpus: int = 2):
        self.folder, self.gpus, self.host = folder, gpus, socket.gethostname().split(".")[0]
        self.conf = f"{folder}/slurm.conf"
        self.environment = self.found_by(dict(os.environ))
        self.daemons: dict[str, subprocess.Popen] = {}

    def found_by(self, environment: dict[str, str]) -> dict[str, str]:
        """An environment in which SLURM's commands ask this one."""
        path = os.pathsep.join([str(self.folder / "bin"), environment["PATH"], *SBIN])
        return environment | {"SLURM_CONF": self.conf, "PATH": path}

    def __enter__(self) -> "Slurm":
        self.write()
        files = [f"--{name}={self.folder}/munge.{end}" for name, end in MUNGE.items()]
        try:
            self.start("munged", "-F", "--force", *files)
            self.start("slurmctld", "-D")
            self.start("slurmd", "-D")
            self.wait()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.command("scancel", "--full", "--user=root")
        self.end()

    def end(self) -> None:
        for daemon in reversed(self.daemons.values()):
            daemon.terminate()
            daemon.wait()

    def write(self) -> None:
        """Its configuration, a key, devices, and an srun that finds it: the plugin hides SLURM_CONF."""
        for name in ("state", "bin"):
            (self.folder / name).mkdir(parents=True)
        srun = self.folder / "bin" / "srun"
        srun.write_text(SRUN.format(folder=self.folder, srun=found("srun")), encoding="utf-8")
        srun.chmod(0o755)
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        for number in range(self.gpus):
            os.mknod(self.folder / f"gpu{number}", 0o20666, NULL)
        told = {"folder": self.folder, "host": self.host, "ports": free_ports(2), "last": self.gpus - 1}
        told |= {"cpus": os.cpu_count(), "mib": memory_mib(), "gpus": self.gpus}
        for name, text in (("slurm.conf", CONTROLLER), ("gres.conf", GPUS)):
            (self.folder / name).write_text(text.format(**told), encoding="utf-8")

    def start(self, *words: str) -> None:
        with (self.folder / f"{words[0]}.out").open("a", encoding="utf-8") as said:
            self.daemons[words[0]] = subprocess.Popen(words, env=self.environment, stdout=said, stderr=said)

    def lose_node(self) -> None:
        """As if its plug were pulled: the daemon and all its jobs are killed, and the controller notices."""
        self.daemons["slurmd"].kill()
        self.daemons["slurmd"].wait()
        steps = [pid for pid in started_with(f"SLURM_CONF={self.conf}") if name_of(pid) == "slurmstepd"]
        jobs = self.command("squeue", "--noheader", "--format=SLURM_JOB_ID=%A").split()
        for pid in [*steps, *started_with(*jobs)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.command("scontrol", "update", f"NodeName={self.host}", "State=DOWN", "Reason=lost")

    def give_node_back(self) -> None:
        self.start("slurmd", "-D")
        self.command("scontrol", "update", f"NodeName={self.host}", "State=RESUME")

    def command(self, *words: str) -> str:
        """What one of SLURM's commands prints."""
        call = subprocess.run(words, env=self.environment, capture_output=True, encoding="utf-8")
        return call.stdout + call.stderr

    def wait(self) -> None:
        """Until the node is ready for jobs."""
        deadline = time.monotonic() + START_SECONDS
        while (said := self.command("sinfo", "--noheader", "--format=%T").strip()) != "idle":
            if time.monotonic() > deadline:
                logs = "\n".join(log.read_text(encoding="utf-8") for log in self.folder.glob("*.out"))
                raise TimeoutError(f"{self.folder}: wanted an idle node; got {said!r}\n{logs}")
            time.sleep(0.2)


def name_of(pid: int) -> str:
    """The program that a process runs; empty if it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/exe").readlink().name
    return ""


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def memory_mib() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // (1 << 20)
