"""The initramfs: busybox, the modules that lead to the root file system, and what to run there."""

import lzma
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from .kernels import Missing, run

GUEST = Path(__file__).resolve().parent / "guest"
MODULES = ("virtio_pci", "virtiofs", "overlay")


def initramfs(kernel, command, folder):
    """One archive of what stays the same for a kernel, one of the command: the kernel unpacks both."""
    image = Path(folder, "initramfs")
    with image.open("wb") as file:
        file.write(base(kernel))
        file.write(archive({"start": (GUEST / "start").read_bytes(), "command": script(kernel, command)}))
    return image


def script(kernel, command):
    lines = [f"export {name}={shlex.quote(os.environ[name])}" for name in sorted(os.environ) if name.startswith("NARU_")]
    lines += [f"export NARU_KERNEL={kernel.series}", f"kernel_folder={shlex.quote(str(kernel.folder))}",
              f"cd {shlex.quote(os.getcwd())}", command, ""]
    return "\n".join(lines).encode()


def base(kernel):
    busybox = shutil.which("busybox")
    if not busybox:
        raise Missing("busybox is not installed (Debian package busybox-static)")
    files = {"bin/busybox": Path(busybox).read_bytes(), "init": (GUEST / "init").read_bytes()}
    for order, path in enumerate(module_files(kernel)):
        files[f"modules/{order:02}-{path.name.removesuffix('.xz')}"] = plain(path)
    return archive(files)


def module_files(kernel):
    """In the order of loading, each once; what is built in has no file."""
    paths = []
    for name in MODULES:
        shown = run("modprobe", "-d", kernel.folder, "-S", kernel.release, "--show-depends", name)
        for line in shown.splitlines():
            word, _, path = line.partition(" ")
            if word == "insmod" and Path(path.strip()) not in paths:
                paths.append(Path(path.strip()))
    return paths


def plain(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def archive(files):
    """A cpio archive of these files, all executable."""
    with tempfile.TemporaryDirectory(prefix="naru-vm-") as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(stat.S_IRWXU)
        names = sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*"))
        try:
            done = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=folder,
                                  input="\n".join(names).encode(), capture_output=True, check=True)
        except FileNotFoundError:
            raise Missing("cpio is not installed") from None
    return done.stdout
