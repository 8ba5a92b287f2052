"""The device a job runs on, and the settings of the process that its speed depends on."""

import ctypes
import os
import platform

import torch
from threadpoolctl import threadpool_limits


def prepare(threads: int, tf32: bool = False) -> torch.device:
    """Use exactly `threads` CPU threads; the device to compute on.

    tf32: whether a GPU may round the factors of products in single precision to ten bits.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")  # NumPy's own
    # Weights of a net that has converged drift into denormal numbers, which are a hundred times slower.
    torch.set_flush_denormal(True)
    keep_freed_memory()
    # The same arm on the same machine gives the same bytes, in the precision it asks for.
    torch.backends.cudnn.deterministic = not tries_kernels()
    torch.backends.cudnn.benchmark = tries_kernels()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def replays() -> bool:
    """Whether updates are recorded and replayed: on a GPU, unless the environment forbids it."""
    return torch.cuda.is_available() and os.environ.get("LARGEBATCH_REPLAY") != "0"


def tries_kernels() -> bool:
    """Whether cuDNN times its kernels and takes the fastest, whose bytes may differ from run to run."""
    return os.environ.get("LARGEBATCH_FASTEST_KERNELS") == "1"


def keep_freed_memory() -> None:
    """Ask glibc to keep freed blocks, however large, rather than to hand them back to the system.

    Each activation would otherwise be paged in anew at every update: with images of 32 x 32 that takes a
    quarter of the time. The process stays at its largest size until it ends. Elsewhere this does nothing.
    """
    if platform.libc_ver()[0] == "glibc":
        m_trim_threshold, m_mmap_max = -1, -4
        ctypes.CDLL(None).mallopt(m_trim_threshold, 2**31 - 1)
        ctypes.CDLL(None).mallopt(m_mmap_max, 0)


def current() -> str:
    """The name of the device that computes, and what about it is not as usual."""
    if not torch.cuda.is_available():
        return "cpu"
    return torch.cuda.get_device_name() + ", fastest kernels" * tries_kernels()
